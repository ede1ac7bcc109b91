"""Named schedules: when something holds, by days and times of the wall's clock."""
