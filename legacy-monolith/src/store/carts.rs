//! What a visitor has put into the cart, before and after logging in.

use chassis::Failure;
use rusqlite::Connection;

use crate::store::catalogue::{self, Product};

/// Pieces of one product a cart takes.
pub(crate) const MOST: i64 = 99;

/// The lines of a cart, by product.
pub(crate) fn lines(connection: &Connection, session: &str) -> Result<Vec<(Product, i64)>, Failure> {
    let mut query = connection
        .prepare_cached("SELECT product_id, quantity FROM cart WHERE session_id = ?1 ORDER BY product_id")?;
    let rows: Vec<(i64, i64)> =
        query.query_map([session], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    rows.into_iter().map(|(id, quantity)| Ok((catalogue::get(connection, id)?, quantity))).collect()
}

/// Pieces in the cart.
pub(crate) fn pieces(connection: &Connection, session: &str) -> Result<i64, Failure> {
    let mut query =
        connection.prepare_cached("SELECT coalesce(sum(quantity), 0) FROM cart WHERE session_id = ?1")?;
    Ok(query.query_row([session], |row| row.get(0))?)
}

/// Adds pieces to what is there; 404 for an unknown product.
pub(crate) fn add(connection: &Connection, session: &str, product: i64, pieces: i64) -> Result<(), Failure> {
    catalogue::get(connection, product)?;
    connection.execute(
        &format!(
            "INSERT INTO cart (session_id, product_id, quantity) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET quantity = min(quantity + excluded.quantity, {MOST})"
        ),
        rusqlite::params![session, product, pieces],
    )?;
    Ok(())
}

/// Sets the pieces of a product that is in the cart; none removes it.
pub(crate) fn set(connection: &Connection, session: &str, product: i64, pieces: i64) -> Result<(), Failure> {
    let statement = if pieces > 0 {
        "UPDATE cart SET quantity = ?3 WHERE session_id = ?1 AND product_id = ?2"
    } else {
        "DELETE FROM cart WHERE session_id = ?1 AND product_id = ?2 AND ?3 <= 0"
    };
    connection.execute(statement, rusqlite::params![session, product, pieces])?;
    Ok(())
}

/// Empties the cart.
pub(crate) fn empty(connection: &Connection, session: &str) -> Result<(), Failure> {
    connection.execute("DELETE FROM cart WHERE session_id = ?1", [session])?;
    Ok(())
}
