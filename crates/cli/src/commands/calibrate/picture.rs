//! The grid as a picture: one panel for each checkpoint, coloured by λ̂ beside the recommended
//! cell's.

use std::fmt::Write;

use ontogeny_analysis::calibrate::{Calibration, Cell, Grid};
use ontogeny_analysis::llc::Word;

const CELL: [f64; 2] = [112.0, 52.0];
const LEFT: f64 = 84.0;
const TOP: f64 = 92.0;
const GAP: f64 = 36.0;

/// An SVG file.
pub fn draw(calibration: &Calibration) -> String {
    let columns = calibration.grids.first().map_or(0, |g| g.rows[0].len());
    let rows = calibration.localizations.len();
    let panel = columns as f64 * CELL[0] + LEFT;
    let width = calibration.grids.len() as f64 * (panel + GAP) + GAP;
    let height = TOP + rows as f64 * CELL[1] + 150.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\" fill=\"#1f2430\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    let title = calibration
        .recommended
        .as_ref()
        .map_or("no setting can be used everywhere", |r| r.reason.as_str());
    text(&mut out, [GAP, 28.0], "start", 14, title);
    text(
        &mut out,
        [GAP, 48.0],
        "start",
        12,
        "λ̂ ± standard error; colour: λ̂ over that of the framed cell; ? suspect, × failed; T temperature, a acceptance",
    );
    for (i, grid) in calibration.grids.iter().enumerate() {
        let x = GAP + i as f64 * (panel + GAP);
        draw_grid(&mut out, grid, calibration, x);
    }
    out.push_str("</svg>\n");
    out
}

fn draw_grid(out: &mut String, grid: &Grid, calibration: &Calibration, x: f64) {
    let best = calibration.recommended.as_ref().map(|r| r.at);
    let reference = best.and_then(|[r, c]| grid.rows[r][c].llc);
    text(out, [x + LEFT, TOP - 12.0], "start", 13, &grid.name);
    for (r, row) in grid.rows.iter().enumerate() {
        let y = TOP + r as f64 * CELL[1];
        let label = format!("γ {}", row[0].localization);
        text(
            out,
            [x + LEFT - 8.0, y + CELL[1] / 2.0 + 4.0],
            "end",
            12,
            &label,
        );
        for (c, cell) in row.iter().enumerate() {
            let left = x + LEFT + c as f64 * CELL[0];
            let framed = best == Some([r, c]);
            draw_cell(out, cell, [left, y], reference, framed);
        }
    }
    let y = TOP + grid.rows.len() as f64 * CELL[1] + 18.0;
    for (c, cell) in grid.rows[0].iter().enumerate() {
        let middle = x + LEFT + (c as f64 + 0.5) * CELL[0];
        let last = grid.rows.last().map_or(cell, |row| &row[c]);
        let label = format!("ε {:.0e} to {:.0e}", last.epsilon, cell.epsilon);
        text(out, [middle, y], "middle", 10, &label);
    }
    for (i, cell) in grid.temperatures.iter().enumerate() {
        let label = format!(
            "nβ {:.0}, γ {:.0}, ε {:.1e}: λ̂ {}",
            cell.nbeta,
            cell.localization,
            cell.epsilon,
            figure(cell)
        );
        text(
            out,
            [x + LEFT, y + 26.0 + 18.0 * i as f64],
            "start",
            12,
            &label,
        );
    }
}

fn draw_cell(
    out: &mut String,
    cell: &Cell,
    [x, y]: [f64; 2],
    reference: Option<f64>,
    framed: bool,
) {
    let fill = match (cell.llc, reference, cell.word) {
        (Some(llc), Some(reference), Word::Ok | Word::Suspect) if llc > 0.0 && reference > 0.0 => {
            colour((llc / reference).ln())
        }
        _ => "#e3e5ea".to_owned(),
    };
    let (w, h) = (CELL[0] - 4.0, CELL[1] - 4.0);
    let frame = if framed {
        " stroke=\"#1f2430\" stroke-width=\"2.5\""
    } else {
        ""
    };
    let _ = writeln!(
        out,
        "<rect x=\"{}\" y=\"{}\" width=\"{w}\" height=\"{h}\" rx=\"4\" fill=\"{fill}\"{frame}><title>{}</title></rect>",
        x + 2.0,
        y + 2.0,
        escape(&cell.reason)
    );
    let middle = x + CELL[0] / 2.0;
    text(out, [middle, y + 23.0], "middle", 13, &figure(cell));
    let small =
        |name: &str, value: Option<f64>| value.map_or(String::new(), |v| format!("{name} {v:.2}"));
    let detail = format!(
        "{}  {}",
        small("T", cell.temperature),
        small("a", cell.acceptance)
    );
    text(out, [middle, y + 40.0], "middle", 10, &detail);
}

fn figure(cell: &Cell) -> String {
    let mark = match cell.word {
        Word::Ok => "",
        Word::Suspect => " ?",
        Word::Failed => " ×",
    };
    match (cell.llc, cell.se) {
        (Some(llc), Some(se)) => format!("{llc:.1} ± {se:.1}{mark}"),
        (Some(llc), None) => format!("{llc:.1}{mark}"),
        _ => "died ×".to_owned(),
    }
}

/// From blue, a factor of two below, over white to orange, a factor of two above.
fn colour(log_ratio: f64) -> String {
    let t = (log_ratio / 2_f64.ln()).clamp(-1.0, 1.0);
    let end = if t < 0.0 {
        [120, 170, 230]
    } else {
        [244, 170, 90]
    };
    let channel = |i: usize| 250.0 + (f64::from(end[i]) - 250.0) * t.abs();
    format!("rgb({:.0},{:.0},{:.0})", channel(0), channel(1), channel(2))
}

fn text(out: &mut String, [x, y]: [f64; 2], anchor: &str, size: u32, content: &str) {
    let _ = writeln!(
        out,
        "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\" font-size=\"{size}\">{}</text>",
        escape(content)
    );
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
