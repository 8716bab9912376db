//! The customer's page.

use axum::response::Response;
use maud::html;

use crate::Shop;
use crate::money;
use crate::pages::failure::PageFailure;
use crate::pages::layout;
use crate::pages::visitor::Visitor;
use crate::store::orders;

/// Name, address and orders; to the login first for somebody unknown.
pub(crate) async fn page(shop: &Shop, visitor: &Visitor) -> Result<Response, PageFailure> {
    let Some(user) = visitor.user.clone() else { return Ok(visitor.send_to("/login?next=/account")) };
    let id = user.id;
    let (mut orders, _) = shop.database.call(move |c| orders::list(c, Some(id), 100, 0)).await?;
    orders.reverse();
    let content = html! {
        h1 { "Hello, " (user.name) }
        dl.card-of-customer {
            dt { "E-mail" } dd { (user.email) }
            dt { "Telephone" } dd { (user.phone.as_deref().unwrap_or("not given")) }
            dt { "Loyalty" } dd { span class={ "tier " (user.loyalty_tier) } { (layout::capital(&user.loyalty_tier)) } }
        }
        h2 { "Your orders" }
        @if orders.is_empty() {
            p.empty { "None yet. " a href="/shop" { "Look around" } }
        } @else {
            table.lines {
                thead { tr { th { "Order" } th { "Placed" } th { "What" } th { "State" } th.number { "Total" } } }
                tbody {
                    @for order in &orders {
                        tr {
                            td { a href={ "/shop/orders/" (order.id) } { (order.id) } }
                            td { (order.placed_at) }
                            td { @for (i, line) in order.lines.iter().enumerate() { @if i > 0 { ", " } (line.quantity) " × " (line.name) } }
                            td { span class={ "state " (order.status) } { (order.status) } }
                            td.number { (money::display(order.total)) }
                        }
                    }
                }
            }
        }
    };
    Ok(visitor.page(layout::page(visitor, "Your account", &content)))
}
