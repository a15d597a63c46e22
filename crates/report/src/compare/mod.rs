//! The comparison of arms as a page and as Markdown.
//!
//! [`CompareInput`] holds the figures as they were computed; [`page::render`] makes one offline
//! HTML document of them, [`markdown::document`] a text that can go into a paper's appendix,
//! [`markdown::tables`] what a terminal shows.

mod input;
pub mod markdown;
pub mod page;
mod table;
mod words;

pub use input::{CompareInput, RunEntry};
