//! Parquet files, of which nothing is believed that would take much memory.
//!
//! Pages of a file name sizes and counts, and the library sets memory aside for them before it
//! finds out whether the values are there: a damaged byte may ask for gigabytes. [`ParquetFile`]
//! is the library's reader with these numbers checked on the way.

mod byte_reader;
mod packed;
mod page_sizes;
mod page_values;

use std::fs::File;

use parquet::bloom_filter::Sbbf;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::schema::types::{ColumnDescPtr, Type};

use page_sizes::{most_bytes, oversized_page};
use page_values::miscounted;

/// A Parquet file whose pages are checked before their values are decoded.
///
/// The library panics on some damaged files: read them in [`contained`](crate::contained) calls.
pub struct ParquetFile {
    reader: SerializedFileReader<File>,
    /// The same file, for the headers of its pages.
    headers: File,
    /// The most bytes that a page may hold.
    most: u64,
}

impl ParquetFile {
    /// Of an open file.
    ///
    /// # Errors
    /// A file that cannot be read, or whose metadata is damaged.
    pub fn open(file: File) -> Result<ParquetFile> {
        let headers = file.try_clone()?;
        let most = most_bytes(file.metadata()?.len());
        Ok(ParquetFile {
            reader: SerializedFileReader::new(file)?,
            headers,
            most,
        })
    }
}

impl FileReader for ParquetFile {
    fn metadata(&self) -> &ParquetMetaData {
        self.reader.metadata()
    }

    fn num_row_groups(&self) -> usize {
        self.reader.num_row_groups()
    }

    fn get_row_group(&self, i: usize) -> Result<Box<dyn RowGroupReader + '_>> {
        let inner = self.reader.get_row_group(i)?;
        Ok(Box::new(RowGroup { inner, file: self }))
    }

    fn get_row_iter(&self, projection: Option<Type>) -> Result<RowIter<'_>> {
        RowIter::from_file(projection, self)
    }
}

/// A group of rows whose columns give checked pages.
struct RowGroup<'a> {
    inner: Box<dyn RowGroupReader + 'a>,
    file: &'a ParquetFile,
}

impl RowGroupReader for RowGroup<'_> {
    fn metadata(&self) -> &RowGroupMetaData {
        self.inner.metadata()
    }

    fn num_columns(&self) -> usize {
        self.inner.num_columns()
    }

    fn get_column_page_reader(&self, i: usize) -> Result<Box<dyn PageReader>> {
        let ParquetFile { headers, most, .. } = self.file;
        let chunk = self.inner.metadata().column(i);
        let column = chunk.column_descr_ptr();
        let (start, length) = chunk.byte_range();
        if let Some(size) = oversized_page(headers, start, length, *most)? {
            return Err(damaged(&column, &far_more(size)));
        }
        Ok(Box::new(Pages {
            inner: self.inner.get_column_page_reader(i)?,
            column,
            most: *most,
        }))
    }

    fn get_column_bloom_filter(&self, i: usize) -> Option<&Sbbf> {
        self.inner.get_column_bloom_filter(i)
    }

    fn get_row_iter(&self, projection: Option<Type>) -> Result<RowIter<'_>> {
        RowIter::from_row_group(projection, self)
    }
}

/// The pages of a column in a group of rows.
struct Pages {
    inner: Box<dyn PageReader>,
    column: ColumnDescPtr,
    most: u64,
}

impl Pages {
    fn checked(&self, page: Option<Page>) -> Result<Option<Page>> {
        let what = page
            .as_ref()
            .and_then(|page| miscounted(page, &self.column, self.most));
        match what {
            Some(what) => Err(damaged(&self.column, &what)),
            None => Ok(page),
        }
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.inner.get_next_page()?;
        self.checked(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.inner.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.inner.skip_next_page()
    }

    fn supports_deferred_dictionary(&self) -> bool {
        self.inner.supports_deferred_dictionary()
    }

    fn take_deferred_dictionary(&mut self) -> Result<Option<Page>> {
        let page = self.inner.take_deferred_dictionary()?;
        self.checked(page)
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.inner.at_record_boundary()
    }
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

/// The refusal of a page that says that it holds `what`.
fn damaged(column: &ColumnDescPtr, what: &str) -> ParquetError {
    ParquetError::General(format!(
        "a page of `{}` says that it holds {what}: the file is damaged",
        column.path().string()
    ))
}

/// What a page of so many bytes says that it holds.
fn far_more(bytes: u64) -> String {
    format!("{} MiB, far more than the file can", bytes >> 20)
}

/// What an error of the library says, without the name of its kind.
pub fn parquet_message(error: &ParquetError) -> String {
    let text = error.to_string();
    let (_, what) = text
        .split_once(": ")
        .filter(|(kind, _)| matches!(*kind, "Parquet error" | "External" | "EOF"))
        .unwrap_or(("", &text));
    what.trim_end_matches('.').to_owned()
}
