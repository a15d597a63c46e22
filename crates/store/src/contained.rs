//! Calls into libraries that panic where they should refuse.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// Does `work`; if it panics on this thread, nothing is printed and what the panic said is
/// returned as the error.
///
/// For parsers of foreign formats alone, which index and unwrap on damaged files. What `work`
/// borrows mutably is not to be used after a failure.
///
/// # Errors
///
/// What the panic said.
pub fn contained<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !CONTAINED.get() {
                before(info);
            }
        }));
    });
    let outer = CONTAINED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    CONTAINED.set(outer);
    result.map_err(|said| words(said.as_ref()))
}

/// What a panic said.
fn words(said: &(dyn Any + Send)) -> String {
    let text = said.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| said.downcast_ref::<&str>().copied());
    text.unwrap_or("it cannot be read").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_and_nothing_else_changes() {
        assert_eq!(contained(|| 7), Ok(7));
        let place = 3;
        let index = contained(|| [1, 2][std::hint::black_box(place)]).unwrap_err();
        assert!(index.contains("out of bounds"), "{index}");
        let inner = contained(|| contained(|| panic!("within")).is_err());
        assert_eq!(inner, Ok(true));
        // Outside a panic is a panic.
        assert!(catch_unwind(|| panic!("outside")).is_err());
    }
}
