"""SRTP by the book (RFC 3711, RFC 6188, RFC 7714), slow and plain: itself held to vectors, and ours held to it."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

RTP_KEY, RTP_AUTH, RTP_SALT, RTCP_KEY, RTCP_AUTH, RTCP_SALT = range(6)  # labels, RFC 3711 §4.3.1 and §4.3.2


def aes_cm(key: bytes, counter: bytes, length: int) -> bytes:
    """AES in counter mode: `length` bytes of keystream from this counter block on."""
    encryptor = Cipher(algorithms.AES(key), modes.CTR(counter)).encryptor()
    return encryptor.update(bytes(length))


def derive(master_key: bytes, master_salt: bytes, label: int, length: int) -> bytes:
    """RFC 3711 §4.3.1 with a key derivation rate of 0; the PRF's AES has the length of the key (RFC 6188 §3)."""
    salt = master_salt.ljust(14, b"\0")  # RFC 7714 §11: the 96-bit salt of an AEAD is padded on the right
    x = int.from_bytes(salt, "big") ^ (label << 48)
    return aes_cm(master_key, x.to_bytes(14, "big") + b"\0\0", length)


def counter_mode(key: bytes, salt: bytes, ssrc: int, index: int, data: bytes) -> bytes:
    """RFC 3711 §4.1.1."""
    iv = (int.from_bytes(salt, "big") << 16) ^ (ssrc << 64) ^ (index << 16)
    stream = aes_cm(key, iv.to_bytes(16, "big"), len(data))
    return bytes(a ^ b for a, b in zip(data, stream, strict=True))


def gcm_iv(salt: bytes, ssrc: int, index: int) -> bytes:
    """RFC 7714 §8.1 (RTP: 32 bits of rollover counter, 16 of sequence) and §9.1 (RTCP: a 31-bit index)."""
    return (int.from_bytes(salt, "big") ^ (ssrc << 48) ^ index).to_bytes(12, "big")


@dataclass
class Reference:
    """One direction of one SSRC. `tag_bytes` 0 means AEAD."""

    key: bytes
    salt: bytes
    tag_bytes: int

    def rtp(self, packet: bytes, rollover: int = 0) -> bytes:
        header, payload = packet[:12], packet[12:]
        ssrc, sequence = int.from_bytes(packet[8:12], "big"), int.from_bytes(packet[2:4], "big")
        key = derive(self.key, self.salt, RTP_KEY, len(self.key))
        salt = derive(self.key, self.salt, RTP_SALT, len(self.salt))
        index = rollover << 16 | sequence
        if not self.tag_bytes:
            return header + AESGCM(key).encrypt(gcm_iv(salt, ssrc, index), payload, header)
        sent = header + counter_mode(key, salt, ssrc, index, payload)
        auth = derive(self.key, self.salt, RTP_AUTH, 20)
        return sent + hmac.new(auth, sent + rollover.to_bytes(4, "big"), hashlib.sha1).digest()[: self.tag_bytes]

    def rtcp(self, packet: bytes, index: int) -> bytes:
        header, rest = packet[:8], packet[8:]
        ssrc, trailer = int.from_bytes(packet[4:8], "big"), (1 << 31 | index).to_bytes(4, "big")
        key = derive(self.key, self.salt, RTCP_KEY, len(self.key))
        salt = derive(self.key, self.salt, RTCP_SALT, len(self.salt))
        if not self.tag_bytes:
            return header + AESGCM(key).encrypt(gcm_iv(salt, ssrc, index), rest, header + trailer) + trailer
        sent = header + counter_mode(key, salt, ssrc, index, rest) + trailer
        auth = derive(self.key, self.salt, RTCP_AUTH, 20)
        return sent + hmac.new(auth, sent, hashlib.sha1).digest()[:10]
