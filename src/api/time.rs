//! Time as RFC 3339 writes it, in UTC. Reads no clock.

use std::fmt::Write;
use std::time::Duration;

/// Writes times; of those in one second all but the fraction is made once.
#[derive(Debug, Default)]
pub struct Clock {
    second: u64,
    /// Up to the seconds; empty before the first.
    written: String,
}

impl Clock {
    /// Appends the time that is so long after 1970 began, with nine digits behind the point.
    pub fn write(&mut self, unix: Duration, out: &mut String) {
        if self.written.is_empty() || self.second != unix.as_secs() {
            self.second = unix.as_secs();
            self.written.clear();
            write_second(self.second, &mut self.written);
        }
        out.push_str(&self.written);
        // Writing to a string does not fail.
        let _ = write!(out, ".{:09}Z", unix.subsec_nanos());
    }
}

/// The time so many seconds after 1970 began.
pub fn written(second: u64) -> String {
    let mut out = String::new();
    write_second(second, &mut out);
    out.push('Z');
    out
}

/// The same, with three digits behind the point.
pub fn written_millis(unix: Duration) -> String {
    let mut out = String::new();
    write_second(unix.as_secs(), &mut out);
    let _ = write!(out, ".{:03}Z", unix.subsec_millis());
    out
}

/// `2026-08-21T10:00:00`. What lies behind the year 9999, which clients cannot read, is its last second.
fn write_second(second: u64, out: &mut String) {
    let second = second.min(LAST_SECOND);
    let (days, of_day) = (second / DAY_SECONDS, second % DAY_SECONDS);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let _ = write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
}

/// The date so many days after 1970 began.
fn date(days: u64) -> (u64, u64, u64) {
    // Years are counted from the March of the year 0, so that a leap day is the last of its year.
    let days = days + DAYS_TO_1970;
    let (eras, in_era) = (days / ERA_DAYS, days % ERA_DAYS);
    // Leap days are taken out: one in 4 years, but none in 100, and the one of 400 years is the era's last day.
    let year_in_era = (in_era - in_era / 1460 + in_era / 36_524 - in_era / (ERA_DAYS - 1)) / 365;
    let in_year = in_era - (365 * year_in_era + year_in_era / 4 - year_in_era / 100);
    // From March on, five months have 153 days.
    let month_in_year = (5 * in_year + 2) / 153;
    let day = in_year - (153 * month_in_year + 2) / 5 + 1;
    let month = if month_in_year < 10 { month_in_year + 3 } else { month_in_year - 9 };
    (400 * eras + year_in_era + u64::from(month <= 2), month, day)
}

const DAY_SECONDS: u64 = 86_400;
/// Days of 400 years.
const ERA_DAYS: u64 = 146_097;
/// Days from the 1st of March of the year 0.
const DAYS_TO_1970: u64 = 719_468;
const LAST_SECOND: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_in_utc() {
        let mut clock = Clock::default();
        for (seconds, nanos, expected) in [
            (0, 0, "1970-01-01T00:00:00.000000000Z"),
            (0, 5, "1970-01-01T00:00:00.000000005Z"),
            (951_782_399, 999_999_999, "2000-02-28T23:59:59.999999999Z"),
            (951_782_400, 0, "2000-02-29T00:00:00.000000000Z"),
            (951_868_800, 1, "2000-03-01T00:00:00.000000001Z"),
            (1_795_838_400, 123_456_789, "2026-11-28T04:00:00.123456789Z"),
            (4_107_542_399, 0, "2100-02-28T23:59:59.000000000Z"),
            (4_107_542_400, 0, "2100-03-01T00:00:00.000000000Z"),
            (253_402_300_799, 0, "9999-12-31T23:59:59.000000000Z"),
            (u64::MAX, 0, "9999-12-31T23:59:59.000000000Z"),
        ] {
            let mut out = String::new();
            clock.write(Duration::new(seconds, nanos), &mut out);
            assert_eq!(out, expected);
        }
        assert_eq!(written(1_795_838_400), "2026-11-28T04:00:00Z");
    }

    /// Day by day for 500 years, against the calendar's own rule.
    #[test]
    fn each_day_follows_the_one_before() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..500 * 365 {
            assert_eq!(date(days), (year, month, day));
            let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = match month {
                2 if is_leap => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > length {
                (day, month) = (1, month + 1);
            }
            if month > 12 {
                (month, year) = (1, year + 1);
            }
        }
    }
}
