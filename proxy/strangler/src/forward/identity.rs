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
        write_hex(trace, fastrand::u128(1..));
    }
    if let Some(parent) = text.get_mut(36..52) {
        write_hex(parent, fastrand::u64(1..).into());
    }
    fields.set(Known::Traceparent, &text);
}

/// A request that was never answered with an id of its own gets this, for the proxy's own answers.
pub(crate) fn new_id() -> RequestId {
    let mut text = [0u8; 32];
    write_hex(&mut text, fastrand::u128(..));
    std::str::from_utf8(&text).unwrap_or("-").into()
}

/// Fills `text` with the low digits of a number: a tenth of what `format!` costs, once or twice per request.
fn write_hex(text: &mut [u8], mut number: u128) {
    for digit in text.iter_mut().rev() {
        let nibble = number.to_le_bytes().first().map_or(0, |byte| byte & 0xf);
        *digit = if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
        number >>= 4;
    }
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
    fn numbers_are_written_as_hexadecimal_digits() {
        let mut text = [0; 6];
        super::write_hex(&mut text, 0x12_c0ff_ee09);
        assert_eq!(&text, b"ffee09");
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
