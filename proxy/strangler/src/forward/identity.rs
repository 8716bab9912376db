//! Who a request is: its id, its trace, and the proxies it passed.

use crate::http1::{Fields, Known};

/// A request's id: what the client sent, or 32 hexadecimal digits.
pub(crate) type RequestId = Box<str>;

/// A longer `x-request-id` is replaced.
const MAX_ID_BYTES: usize = 128;

/// Keeps the request's id, or gives it one where `make` says so. What was sent is passed on untouched when
/// ids are not made.
pub(crate) fn request_id(fields: &mut Fields, make: bool) -> Option<RequestId> {
    let sent = fields
        .get(Known::XRequestId)
        .filter(|value| is_id(value))
        .and_then(|id| std::str::from_utf8(id).ok())
        .map(Box::from);
    let single = fields.all(Known::XRequestId).nth(1).is_none();
    if !make || (sent.is_some() && single) {
        return sent;
    }
    let id: RequestId = sent.unwrap_or_else(new_id);
    fields.set(Known::XRequestId, id.as_bytes());
    Some(id)
}

/// Continues the request's trace (W3C Trace Context; this proxy makes no span of its own, so the parent stays), or
/// starts one.
pub(crate) fn trace(fields: &mut Fields, make: bool) {
    if !make || fields.get(Known::Traceparent).is_some_and(is_traceparent) {
        return;
    }
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-01";
    if let Some(trace) = text.get_mut(3..35) {
        write_hex(trace, &fastrand::u128(1..).to_be_bytes());
    }
    if let Some(parent) = text.get_mut(36..52) {
        write_hex(parent, &fastrand::u64(1..).to_be_bytes());
    }
    fields.set(Known::Traceparent, &text);
}

/// A request that was never answered with an id of its own gets this, for the proxy's own answers.
pub(crate) fn new_id() -> RequestId {
    let mut text = [0u8; 32];
    write_hex(&mut text, &fastrand::u128(..).to_be_bytes());
    std::str::from_utf8(&text).unwrap_or("-").into()
}

/// Writes four bytes at a time as eight digits: a hundredth of what `format!` costs, once or twice per request.
fn write_hex(text: &mut [u8], number: &[u8]) {
    let (digits, _) = text.as_chunks_mut::<8>();
    let (parts, _) = number.as_chunks::<4>();
    for (digits, part) in digits.iter_mut().zip(parts) {
        *digits = hex(u32::from_be_bytes(*part));
    }
}

/// A number in hexadecimal digits, all of them at once.
fn hex(number: u32) -> [u8; 8] {
    // Half by half until each byte holds four bits.
    let mut digits = u64::from(number);
    digits = (digits & 0xffff_0000) << 16 | digits & 0xffff;
    digits = digits << 8 & 0x00ff_0000_00ff_0000 | digits & 0x0000_00ff_0000_00ff;
    digits = digits << 4 & 0x0f00_0f00_0f00_0f00 | digits & 0x000f_000f_000f_000f;
    // One in each byte above nine: letters begin that much further.
    let letters = (digits + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
    (digits + 0x3030_3030_3030_3030 + letters * u64::from(b'a' - b'0' - 10)).to_be_bytes()
}

fn is_id(bytes: &[u8]) -> bool {
    (1..=MAX_ID_BYTES).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
}

/// `00-<32 hex>-<16 hex>-<2 hex>`, neither id all zero; later versions may be longer.
fn is_traceparent(value: &[u8]) -> bool {
    let mut parts = value.split(|byte| *byte == b'-');
    let mut hex = |length: usize| {
        parts.next().filter(|part| {
            part.len() == length && part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        })
    };
    let (Some(version), Some(trace), Some(parent), Some(_flags)) = (hex(2), hex(32), hex(16), hex(2)) else {
        return false;
    };
    let nonzero = |id: &[u8]| id.iter().any(|byte| *byte != b'0');
    version != b"ff" && nonzero(trace) && nonzero(parent) && (version != b"00" || parts.next().is_none())
}

/// Whether the request passed through this process at least twice. `own` is what it appends to `Via`.
pub(crate) fn is_looping(fields: &Fields, own: &str) -> bool {
    fields.list(Known::Via).filter(|entry| *entry == own.as_bytes()).nth(1).is_some()
}

#[cfg(test)]
mod tests {
    use super::{is_looping, request_id, trace};
    use crate::http1::{Fields, Known};

    #[test]
    fn a_valid_request_id_is_kept_and_an_invalid_one_replaced() {
        let check = |sent: &[&str], kept: bool| {
            let mut fields = Fields::default();
            for id in sent {
                fields.append(b"X-Request-Id", id.as_bytes());
            }
            let id = request_id(&mut fields, true).unwrap();
            assert_eq!(&*id == sent.first().copied().unwrap_or_default(), kept, "{sent:?}");
            assert_eq!(fields.all(Known::XRequestId).collect::<Vec<_>>(), [id.as_bytes()]);
        };
        check(&["abc-1"], true);
        check(&["abc", "def"], true);
        check(&[], false);
        check(&["two words"], false);
        check(&[&"x".repeat(129)], false);
    }

    #[test]
    fn without_request_id_nothing_is_made_and_what_came_is_passed_on() {
        let mut fields = Fields::default();
        assert_eq!(request_id(&mut fields, false), None);
        trace(&mut fields, false);
        assert_eq!(fields.len(), 0);
    }

    #[test]
    fn a_valid_trace_is_continued_and_an_invalid_one_started_anew() {
        let check = |sent: &str, kept: bool| {
            let mut fields = Fields::default();
            fields.append(b"Traceparent", sent.as_bytes());
            trace(&mut fields, true);
            assert_eq!(fields.get(Known::Traceparent) == Some(sent.as_bytes()), kept, "{sent}");
        };
        check("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true);
        check("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x", false);
        check("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x", true);
        check("00-00000000000000000000000000000000-00f067aa0ba902b7-01", false);
        check("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false);
        check("nonsense", false);
        let mut fields = Fields::default();
        trace(&mut fields, true);
        assert!(super::is_traceparent(fields.get(Known::Traceparent).unwrap()));
    }

    #[test]
    fn a_number_is_written_in_all_its_digits() {
        for (number, digits) in [
            (0x0000_0012_c0ff_ee09_u64, "00000012c0ffee09"),
            (0x0123_4567_89ab_cdef, "0123456789abcdef"),
            (0xfedc_ba98_7654_3210, "fedcba9876543210"),
            (0x9a9a_a9a9_0990_0ff0, "9a9aa9a909900ff0"),
            (0, "0000000000000000"),
            (u64::MAX, "ffffffffffffffff"),
        ] {
            let mut text = [b'-'; 16];
            super::write_hex(&mut text, &number.to_be_bytes());
            assert_eq!(std::str::from_utf8(&text).unwrap(), digits);
        }
    }

    #[test]
    fn the_third_passage_is_a_loop() {
        let own = "1.1 strangler-1";
        let mut fields = Fields::default();
        let mut passes = || {
            let looping = is_looping(&fields, own);
            fields.append(b"via", own.as_bytes());
            looping
        };
        assert_eq!([passes(), passes(), passes()], [false, false, true]);
        fields.set(Known::Via, b"1.0 a, 1.1 strangler-1,1.1 strangler-1");
        assert!(is_looping(&fields, own));
    }
}
