//! Whole pages, rendered and read back.

mod curves;
mod fixture;
mod page;
mod reading;
mod safety;
