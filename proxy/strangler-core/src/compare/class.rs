//! Classes of values: what a value is, without saying which.

use std::fmt;

/// What one side has at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Nothing.
    Absent,
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number written without fraction and exponent.
    Integer,
    /// Another number.
    Decimal,
    /// A string without characters, or a body without bytes.
    Empty,
    /// A string of no more special class.
    String,
    /// A string that is a UUID.
    Uuid,
    /// A string that is a date and time, or a date.
    Time,
    /// A string that is an absolute URL.
    Url,
    /// A JSON array.
    Array,
    /// A JSON object.
    Object,
    /// A text, markup or form as a whole.
    Text,
    /// Bytes of no known format.
    Bytes,
    /// What does not parse as what it says it is.
    Unreadable,
    /// A status code of this class, 1 to 5.
    Status(u8),
    /// No response, or half of one.
    Broken,
}

impl Class {
    /// As reports show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Class::Absent => "absent",
            Class::Null => "null",
            Class::Bool => "bool",
            Class::Integer => "integer",
            Class::Decimal => "decimal",
            Class::Empty => "empty",
            Class::String => "string",
            Class::Uuid => "uuid",
            Class::Time => "time",
            Class::Url => "url",
            Class::Array => "array",
            Class::Object => "object",
            Class::Text => "text",
            Class::Bytes => "bytes",
            Class::Unreadable => "unreadable",
            Class::Status(1) => "1xx",
            Class::Status(2) => "2xx",
            Class::Status(3) => "3xx",
            Class::Status(4) => "4xx",
            Class::Status(5) => "5xx",
            Class::Status(_) => "status",
            Class::Broken => "broken",
        }
    }

    /// The class of a status code.
    pub fn of_status(status: u16) -> Class {
        Class::Status(u8::try_from(status / 100).unwrap_or(0))
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
