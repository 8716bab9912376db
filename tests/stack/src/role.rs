//! Which processes there are, and what each is told at its start.

use std::ffi::OsString;
use std::process::ExitCode;

/// A process of the demonstration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Role {
    LegacyMonolith,
    UserService,
    ProductService,
    OrderService,
    PaymentService,
    Strangler,
}

impl Role {
    /// Every role, in the order in which they start: the proxy last.
    pub const ALL: [Self; 6] = [
        Self::LegacyMonolith,
        Self::UserService,
        Self::ProductService,
        Self::OrderService,
        Self::PaymentService,
        Self::Strangler,
    ];

    /// Its name on the command line and in file names.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LegacyMonolith => "legacy-monolith",
            Self::UserService => "user-service",
            Self::ProductService => "product-service",
            Self::OrderService => "order-service",
            Self::PaymentService => "payment-service",
            Self::Strangler => "strangler",
        }
    }

    /// The role of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// The variable by which `config/strangler.toml` learns this upstream's URL; none for the proxy.
    #[must_use]
    pub fn variable(self) -> Option<&'static str> {
        match self {
            Self::LegacyMonolith => Some("MONOLITH"),
            Self::UserService => Some("USER_SERVICE"),
            Self::ProductService => Some("PRODUCT_SERVICE"),
            Self::OrderService => Some("ORDER_SERVICE"),
            Self::PaymentService => Some("PAYMENT_SERVICE"),
            Self::Strangler => None,
        }
    }

    /// The port it listens on in the demonstration.
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Self::LegacyMonolith => 8000,
            Self::UserService => 8001,
            Self::ProductService => 8002,
            Self::OrderService => 8003,
            Self::PaymentService => 8004,
            Self::Strangler => 8080,
        }
    }

    /// The names of its planted differences.
    pub fn differences(self) -> impl Iterator<Item = &'static str> {
        let differences = match self {
            Self::UserService => user_service::SERVICE.differences,
            Self::ProductService => product_service::SERVICE.differences,
            Self::OrderService => order_service::SERVICE.differences,
            Self::PaymentService => payment_service::SERVICE.differences,
            Self::LegacyMonolith | Self::Strangler => &[],
        };
        differences.iter().map(|difference| difference.name)
    }

    /// Plays the role in this process, until it ends; the first argument is the program's name.
    pub(crate) fn play(self, arguments: Vec<OsString>) -> ExitCode {
        match self {
            Self::LegacyMonolith => legacy_monolith::main_from(arguments),
            Self::UserService => user_service::main_from(arguments),
            Self::ProductService => product_service::main_from(arguments),
            Self::OrderService => order_service::main_from(arguments),
            Self::PaymentService => payment_service::main_from(arguments),
            Self::Strangler => strangler::main_from(arguments),
        }
    }
}
