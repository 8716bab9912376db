//! What every page has around it.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::pages::pictures;
use crate::pages::visitor::Visitor;

/// A page with the shop's head, the visitor's cart and account, and the foot.
pub(crate) fn page(visitor: &Visitor, title: &str, content: &Markup) -> Markup {
    let navigation = html! {
        nav.visitor aria-label="Your shop" {
            @if let Some(user) = &visitor.user {
                a href="/account" id="account-link" { (user.name) }
                form method="post" action="/logout" {
                    (csrf(visitor))
                    button.link type="submit" id="logout" { "Log out" }
                }
            } @else {
                a href="/login" id="login-link" { "Log in" }
            }
            a.cart-link href="/cart" id="cart-link" {
                "Cart"
                @if visitor.pieces > 0 { span.badge id="cart-pieces" { (visitor.pieces) } }
            }
        }
    };
    frame(title, &navigation, content)
}

/// A page without a visitor, for failures.
pub(crate) fn bare(title: &str, content: &Markup) -> Markup {
    frame(title, &html! { nav.visitor { a href="/cart" { "Cart" } } }, content)
}

/// The hidden field every form carries.
pub(crate) fn csrf(visitor: &Visitor) -> Markup {
    html! { input type="hidden" name="csrf" value=(visitor.session.csrf); }
}

fn frame(title: &str, navigation: &Markup, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · Fig & Oak" }
                link rel="icon" href="/favicon.ico" type="image/svg+xml";
                link rel="stylesheet" href="/assets/shop.css";
            }
            body {
                header.site {
                    div.inner {
                        a.brand href="/" { (PreEscaped(pictures::LOGO)) span { "Fig & Oak" } }
                        nav.shelves aria-label="Shelves" {
                            a href="/shop" { "Everything" }
                            @for category in ["kitchen", "lighting", "furniture", "textiles"] {
                                a href={ "/shop?category=" (category) } { (capital(category)) }
                            }
                        }
                        (navigation)
                    }
                }
                main { (content) }
                footer.site {
                    div.inner {
                        p { "Fig & Oak · Things for the house, since the first server" }
                        p { "Free delivery · 5 % off from five pieces · 30 days to change your mind" }
                    }
                }
            }
        }
    }
}

/// `kitchen` as `Kitchen`.
pub(crate) fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
