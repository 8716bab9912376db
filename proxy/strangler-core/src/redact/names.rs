//! Names beside which a value is a secret: of headers, parameters, fields, members, attributes.

use super::Class;

/// Anywhere in a name, its words written together: `userPassword`, `client-secret`, `x_csrf_token`.
const PARTS: &[(&str, Class)] = &[
    ("csrf", Class::Csrf),
    ("xsrf", Class::Csrf),
    ("authenticitytoken", Class::Csrf),
    ("password", Class::Password),
    ("passwd", Class::Password),
    ("passphrase", Class::Password),
    ("passcode", Class::Password),
    ("passwort", Class::Password),
    ("kennwort", Class::Password),
    ("motdepasse", Class::Password),
    ("contrasena", Class::Password),
    ("secret", Class::Secret),
    ("credential", Class::Secret),
    ("apikey", Class::Secret),
    ("accesskey", Class::Secret),
    ("privatekey", Class::Secret),
    ("authorization", Class::Token),
    ("token", Class::Token),
    ("jwt", Class::Token),
    ("cookie", Class::Cookie),
    ("sessionid", Class::Cookie),
    ("creditcard", Class::Card),
    ("cardnumber", Class::Card),
    ("cardno", Class::Card),
    ("securitycode", Class::Code),
    ("verificationcode", Class::Code),
    ("iban", Class::Iban),
];

/// A word of the name: `card[number]`, `user_pin`.
const WORDS: &[(&str, Class)] = &[
    ("pass", Class::Password),
    ("pwd", Class::Password),
    ("pw", Class::Password),
    ("pin", Class::Password),
    ("auth", Class::Token),
    ("bearer", Class::Token),
    ("nonce", Class::Csrf),
    ("session", Class::Cookie),
    ("sid", Class::Cookie),
    ("sig", Class::Secret),
    ("hmac", Class::Secret),
    ("ssn", Class::Secret),
    ("card", Class::Card),
    ("pan", Class::Card),
    ("cvv", Class::Card),
    ("cvc", Class::Card),
    ("csc", Class::Card),
    ("otp", Class::Code),
    ("totp", Class::Code),
];

/// Beside these, `code` is a secret; alone it is one as well, `currency_code` is not.
const CODE_OF: &[&str] = &[
    "reset",
    "verify",
    "verification",
    "confirm",
    "confirmation",
    "activate",
    "activation",
    "access",
    "login",
    "signin",
    "security",
    "invite",
    "invitation",
    "recovery",
    "recover",
    "backup",
    "sms",
    "magic",
    "unlock",
    "email",
    "register",
    "registration",
    "user",
    "auth",
    "one",
    "time",
];

/// A code of a secret has at least so many characters: `code: 404` and `code=USD` have none.
const CODE_MIN: usize = 4;

/// What a value beside this name is, whatever it looks like. `None`: the name tells nothing.
pub(super) fn class(name: &str) -> Option<Class> {
    if name.len() > 256 {
        return None;
    }
    let words = words(name);
    let together: String = words.concat();
    if together == "tokentype" {
        return None;
    }
    if let Some((_, class)) = PARTS.iter().find(|(part, _)| together.contains(part)) {
        return Some(*class);
    }
    if let Some((_, class)) = WORDS.iter().find(|(word, _)| words.iter().any(|w| is_word(w, word))) {
        return Some(*class);
    }
    let has_code = words.iter().any(|word| is_word(word, "code"));
    let is_secret = words.len() == 1 || words.iter().any(|word| CODE_OF.contains(&word.as_str()));
    (has_code && is_secret).then_some(Class::Code)
}

/// What a value beside this name is. A code too short to be a secret is none.
pub(super) fn class_of(name: &str, value: &str) -> Option<Class> {
    class(name).filter(|class| *class != Class::Code || value.len() >= CODE_MIN)
}

fn is_word(word: &str, wanted: &str) -> bool {
    word == wanted || word.strip_suffix('s') == Some(wanted)
}

/// Words of a name, in lower case: split at anything but letters and digits, and at humps.
pub(super) fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut before: Option<char> = None;
    let mut chars = name.chars().peekable();
    while let Some(c) = chars.next() {
        let is_hump = c.is_uppercase()
            && (before.is_some_and(|b| b.is_lowercase() || b.is_numeric())
                || (before.is_some_and(char::is_uppercase)
                    && chars.peek().is_some_and(|next| next.is_lowercase())));
        if (!c.is_alphanumeric() || is_hump) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        before = Some(c);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Elements of a path after which a code follows: `/password/reset/CODE`, `/invite/CODE`.
const CODE_FOLLOWS: &[&str] = &[
    "reset",
    "verify",
    "verification",
    "confirm",
    "confirmation",
    "activate",
    "activation",
    "invite",
    "invitation",
    "unsubscribe",
    "magic",
    "token",
    "tokens",
    "password",
    "recover",
    "recovery",
    "otp",
    "secret",
    "code",
    "unlock",
    "passwort",
    "forgot",
];

/// Elements that are words of the path itself, also after those.
const PATH_WORDS: &[&str] = &[
    "account",
    "api",
    "cancel",
    "change",
    "check",
    "complete",
    "completed",
    "done",
    "edit",
    "email",
    "emails",
    "error",
    "expired",
    "failed",
    "form",
    "help",
    "index",
    "link",
    "list",
    "login",
    "mail",
    "new",
    "ok",
    "phone",
    "request",
    "requested",
    "required",
    "resend",
    "send",
    "sent",
    "status",
    "submit",
    "success",
    "thanks",
    "update",
    "user",
    "users",
    "v1",
    "v2",
    "v3",
    "verified",
];

/// Whether a code follows this element of a path.
pub(super) fn announces_code(element: &str) -> bool {
    words(element).iter().any(|word| CODE_FOLLOWS.contains(&word.as_str()))
}

/// Whether an element is a word that paths are made of, and no code.
pub(super) fn is_path_word(element: &str) -> bool {
    let words = words(element);
    words.is_empty()
        || words
            .iter()
            .all(|word| CODE_FOLLOWS.contains(&word.as_str()) || PATH_WORDS.contains(&word.as_str()))
}

/// Whether an element of a path cannot hold a secret nor announce one: a quick look before the thorough one.
pub(super) fn is_plain_element(element: &str) -> bool {
    let bytes = element.as_bytes();
    let digits = bytes.iter().filter(|b| b.is_ascii_digit()).count();
    let is_short = bytes.len() <= 12 || (bytes.len() < 16 && digits == 0);
    let is_simple = bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    // A code is announced by a word of at least three letters.
    is_short
        && is_simple
        && (digits == bytes.len() || !CODE_FOLLOWS.iter().any(|word| contains(bytes, word.as_bytes())))
}

/// Whether a word is somewhere in a text, in any case.
fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word))
}
