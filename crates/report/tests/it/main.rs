//! Whole pages, rendered and read back.

mod curves;
mod estimates;
mod fixture;
mod page;
mod reading;
mod safety;
