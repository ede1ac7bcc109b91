/* Makes the pulses of Wiegand on two GPIO lines, out of lines of text on standard input.
 *
 * Each line is pulse width, pulse interval and frame interval in microseconds, and the bits:
 *
 *     40 2000 25000 10010101000000000010001010
 *
 * as `protocol = "wiegand"` of [controller] writes them to a pipe:
 *
 *     cc -O2 -o wiegand_out wiegand_out.c
 *     mkfifo -m 600 /run/wiegand
 *     while :; do ./wiegand_out /dev/gpiochip0 17 27 < /run/wiegand; done
 *
 * The lines idle high and are pulled low for a pulse (SIA AC-01), by open-drain outputs: the controller's side has the
 * pull-ups. Of the kernel only its GPIO character device is used (uAPI v2, Linux 5.10), no library.
 *
 * Time: 40 us is less than a busy kernel may take a program away for. This one asks for the highest real-time priority
 * and locked memory, sleeps until shortly before an edge and spins the rest. On a kernel with PREEMPT_RT, or a core of
 * its own (isolcpus), its pulses keep SIA's 20 to 100 us; elsewhere one may come out longer now and then. It measures
 * each pulse: a frame with one beyond 100 us is told on standard error; the reader's parity has the controller refuse
 * what became of it. Nothing is sent a second time, since a controller may have taken the first.
 *
 * Exit status: 0 at the end of input, 1 where the lines cannot be had, 2 for wrong arguments.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/gpio.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { MAX_BITS = 512, SPIN_NS = 150000, LONGEST_PULSE_NS = 100000 };

static int lines = -1;

static long long now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* Sleeps until shortly before the moment, and spins the rest. */
static void wait_until(long long at_ns)
{
    long long early = at_ns - SPIN_NS;
    if (early > now_ns()) {
        struct timespec until = {early / 1000000000LL, early % 1000000000LL};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    }
    while (now_ns() < at_ns)
        ;
}

/* Both lines at once: bit 0 is D0, bit 1 is D1; 1 lets the line go high. */
static int drive(unsigned levels)
{
    struct gpio_v2_line_values values = {.bits = levels, .mask = 3};
    return ioctl(lines, GPIO_V2_LINE_SET_VALUES_IOCTL, &values);
}

static int take_lines(const char *chip, unsigned d0, unsigned d1)
{
    struct gpio_v2_line_request request;
    int file = open(chip, O_RDWR | O_CLOEXEC);
    if (file < 0)
        return -1;
    memset(&request, 0, sizeof request);
    request.offsets[0] = d0;
    request.offsets[1] = d1;
    request.num_lines = 2;
    snprintf(request.consumer, sizeof request.consumer, "wiegand_out");
    request.config.flags = GPIO_V2_LINE_FLAG_OUTPUT | GPIO_V2_LINE_FLAG_OPEN_DRAIN;
    request.config.num_attrs = 1;
    request.config.attrs[0].attr.id = GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES;
    request.config.attrs[0].attr.values = 3; /* both high from the beginning */
    request.config.attrs[0].mask = 3;
    if (ioctl(file, GPIO_V2_GET_LINE_IOCTL, &request) < 0) {
        close(file);
        return -1;
    }
    close(file);
    return request.fd;
}

/* One frame; returns the longest pulse in ns, or -1 where a line cannot be driven. */
static long long send_frame(const char *bits, long pulse_us, long interval_us, long gap_us)
{
    long long at = now_ns() + SPIN_NS, longest = 0;
    for (const char *bit = bits; *bit; bit++, at += interval_us * 1000LL) {
        unsigned low = *bit == '1' ? 2 : 1;
        wait_until(at);
        long long began = now_ns();
        if (drive(3 & ~low) < 0)
            return -1;
        while (now_ns() < began + pulse_us * 1000LL)
            ;
        if (drive(3) < 0)
            return -1;
        long long took = now_ns() - began;
        if (took > longest)
            longest = took;
        if (at + interval_us * 1000LL < now_ns() + 200000LL) /* late: SIA wants 200 us between two pulses */
            at = now_ns() + 200000LL - interval_us * 1000LL;
    }
    wait_until(at + gap_us * 1000LL);
    return longest;
}

int main(int count, char **words)
{
    char text[MAX_BITS + 64], bits[MAX_BITS + 1];
    if (count != 4) {
        fprintf(stderr, "usage: %s /dev/gpiochipN D0 D1 < frames\n", words[0]);
        return 2;
    }
    lines = take_lines(words[1], (unsigned)strtoul(words[2], NULL, 10), (unsigned)strtoul(words[3], NULL, 10));
    if (lines < 0) {
        fprintf(stderr, "%s: lines %s and %s: %s\n", words[1], words[2], words[3], strerror(errno));
        return 1;
    }
    struct sched_param first = {.sched_priority = sched_get_priority_max(SCHED_FIFO)};
    if (sched_setscheduler(0, SCHED_FIFO, &first) < 0 || mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
        fprintf(stderr, "without real-time priority (%s): pulses may come out too long\n", strerror(errno));
    while (fgets(text, sizeof text, stdin) != NULL) {
        long pulse_us, interval_us, gap_us;
        if (text[0] == '\n')
            continue;
        if (strchr(text, '\n') == NULL || sscanf(text, "%ld %ld %ld %512[01]", &pulse_us, &interval_us, &gap_us, bits) != 4 ||
            pulse_us < 20 || pulse_us > 100 || interval_us < 200 || interval_us > 20000 || gap_us < 20000 ||
            gap_us > 1000000) {
            fprintf(stderr, "no frame: a line of %zu characters\n", strlen(text)); /* never what it says: PINs */
            continue;
        }
        long long longest = send_frame(bits, pulse_us, interval_us, gap_us);
        memset(bits, 0, sizeof bits);
        memset(text, 0, sizeof text);
        if (longest < 0) {
            fprintf(stderr, "the lines cannot be driven: %s\n", strerror(errno));
            return 1;
        }
        if (longest > LONGEST_PULSE_NS)
            fprintf(stderr, "a pulse of %lld us: the controller may refuse this frame\n", longest / 1000);
    }
    return 0;
}
