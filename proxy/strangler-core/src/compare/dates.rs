//! The dates of headers and cookies, as leniently as user agents read them.

use jiff::civil::DateTime;

/// Seconds since 1970 of a date in any of the spellings that HTTP has had (RFC 6265 §5.1.1).
pub(super) fn seconds(text: &str) -> Option<i64> {
    let is_delimiter = |c: char| matches!(c, '\t' | ' '..='/' | ';'..='@' | '['..='`' | '{'..='~');
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    for token in text.split(is_delimiter).filter(|token| !token.is_empty()) {
        if time.is_none()
            && let Some(found) = clock(token)
        {
            time = Some(found);
        } else if day.is_none()
            && let Some(found) = number(token, 1, 2)
        {
            day = Some(found);
        } else if month.is_none()
            && let Some(found) = month_of(token)
        {
            month = Some(found);
        } else if year.is_none()
            && let Some(found) = number(token, 2, 4)
        {
            year = Some(found);
        }
    }
    let (hour, minute, second) = time?;
    let year = match year? {
        year @ 70..=99 => year + 1900,
        year @ 0..=69 => year + 2000,
        year => year,
    };
    if year < 1601 {
        return None;
    }
    let small = |number: u16| i8::try_from(number).ok();
    let moment = DateTime::new(
        i16::try_from(year).ok()?,
        month?,
        small(day?)?,
        small(hour)?,
        small(minute)?,
        small(second)?,
        0,
    );
    Some(moment.ok()?.duration_since(jiff::civil::datetime(1970, 1, 1, 0, 0, 0, 0)).as_secs())
}

/// The number at the beginning of a token, of so many digits.
fn number(token: &str, least: usize, most: usize) -> Option<u16> {
    let digits = token.bytes().take_while(u8::is_ascii_digit).count();
    if (least..=most).contains(&digits) { token.get(..digits)?.parse().ok() } else { None }
}

fn clock(token: &str) -> Option<(u16, u16, u16)> {
    let mut parts = token.splitn(3, ':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next()?);
    let whole = |part: &str| if part.bytes().all(|b| b.is_ascii_digit()) { number(part, 1, 2) } else { None };
    Some((whole(hour)?, whole(minute)?, number(second, 1, 2)?))
}

fn month_of(token: &str) -> Option<i8> {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let start = token.get(..3)?.to_ascii_lowercase();
    let at = MONTHS.iter().position(|month| *month == start)?;
    i8::try_from(at + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn every_spelling_of_a_date_is_read() {
        let check = |text: &str, expected: Option<i64>| assert_eq!(seconds(text), expected, "{text}");
        let moment = Some(784_111_777);
        check("Sun, 06 Nov 1994 08:49:37 GMT", moment);
        check("Sunday, 06-Nov-94 08:49:37 GMT", moment);
        check("Sun Nov  6 08:49:37 1994", moment);
        check("sun, 6 november 1994 8:49:37", moment);
        check("Thu, 01 Jan 1970 00:00:00 GMT", Some(0));
        check("Thu, 01-Jan-1970 00:00:01 GMT", Some(1));
        check("Fri, 31 Dec 9999 23:59:59 GMT", Some(253_402_300_799));
        for text in ["", "0", "-1", "now", "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 25:00:00 GMT"] {
            check(text, None);
        }
    }
}
