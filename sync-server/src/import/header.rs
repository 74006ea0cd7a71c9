//! The header of a table: which column is which field.

use shared::form::{Field, FieldType, Form};

use super::ImportError;
use super::cells::{can_import, tidy};

/// What a column holds.
#[derive(Debug, Clone, Copy)]
pub enum Column<'a> {
    /// A field of the form.
    Field(&'a Field),
    /// The area a row belongs to.
    Area,
    /// Nothing that can be brought in.
    Ignored,
}

/// The columns of a file.
#[derive(Debug)]
pub struct Header<'a> {
    /// In the order of the file, with the header's own words.
    pub columns: Vec<(String, Column<'a>)>,
}

/// Other words for the area column, beside the label and the name of the form's own field.
const AREA_WORDS: [&str; 8] = ["网格", "所属网格", "网格名称", "网格编码", "辖区", "area", "grid", "area_code"];

impl<'a> Header<'a> {
    /// Finds the columns by Chinese label, English label or field name. The field that names the record must be there,
    /// and an area column unless the options name an area.
    pub fn read(form: &'a Form, cells: &[String], area_named: bool) -> Result<Self, ImportError> {
        let mut columns: Vec<(String, Column<'a>)> = Vec::with_capacity(cells.len());
        for cell in cells {
            let word = plain(cell);
            let column = match form.fields().find(|field| names(field).any(|name| plain(name) == word)) {
                Some(field) if field.kind == FieldType::Area && field.required => Column::Area,
                Some(field) if can_import(field) && field.entry => Column::Field(field),
                None if AREA_WORDS.contains(&word.as_str()) => Column::Area,
                _ => Column::Ignored,
            };
            let twice = columns.iter().any(|(_, known)| match (known, &column) {
                (Column::Field(one), Column::Field(other)) => one.name == other.name,
                (Column::Area, Column::Area) => true,
                _ => false,
            });
            if twice {
                return Err(ImportError::ColumnTwice(shorten(cell)));
            }
            columns.push((shorten(&tidy(cell)), column));
        }
        if columns.iter().all(|(_, column)| matches!(column, Column::Ignored)) {
            let words: Vec<&str> = columns.iter().take(5).map(|(word, _)| word.as_str()).collect();
            return Err(ImportError::UnknownHeader(shorten(&words.join(", "))));
        }
        let has = |wanted: &str| columns.iter().any(|(_, c)| matches!(c, Column::Field(field) if field.name == wanted));
        if !has(&form.title) {
            let label = form.field(&form.title).map_or(form.title.as_str(), |field| field.label.zh.as_str());
            return Err(ImportError::MissingColumn(label.to_owned()));
        }
        if !area_named && !columns.iter().any(|(_, column)| matches!(column, Column::Area)) {
            return Err(ImportError::NoArea);
        }
        Ok(Self { columns })
    }

    /// The words of the columns that are not brought in.
    pub fn ignored(&self) -> Vec<String> {
        self.columns.iter().filter(|(_, c)| matches!(c, Column::Ignored)).map(|(word, _)| word.clone()).collect()
    }
}

fn names(field: &Field) -> impl Iterator<Item = &str> {
    [field.name.as_str(), field.label.zh.as_str(), field.label.en.as_str()].into_iter()
}

/// Without blanks, marks of compulsion and what stands in brackets (`姓名*`, `走访周期（天）`).
fn plain(text: &str) -> String {
    let text = tidy(text);
    let text = text.split(['（', '(']).next().unwrap_or_default();
    text.chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '*' | '＊' | ':' | '：'))
        .collect::<String>()
        .to_lowercase()
}

fn shorten(text: &str) -> String {
    if text.chars().count() > 60 { text.chars().take(60).chain(['…']).collect() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use shared::form::Forms;
    use shared::record::RecordKind;

    use super::*;

    fn read(cells: &[&str], area: bool) -> Result<Vec<String>, ImportError> {
        let forms = Forms::parse(assets::FORMS.iter().copied()).unwrap();
        let form = forms.newest(RecordKind::Person).unwrap();
        let cells: Vec<String> = cells.iter().map(|cell| (*cell).to_owned()).collect();
        let header = Header::read(form, &cells, area)?;
        Ok(header
            .columns
            .iter()
            .map(|(_, column)| match column {
                Column::Field(field) => field.name.clone(),
                Column::Area => "AREA".to_owned(),
                Column::Ignored => "-".to_owned(),
            })
            .collect())
    }

    #[test]
    fn columns_go_by_label_or_name() {
        let columns = read(&["序号", " 姓 名*", "id_number", "Phone", "网格"], false).unwrap();
        assert_eq!(columns, ["-", "name", "id_number", "phone", "AREA"]);
        assert!(matches!(read(&["姓名"], false), Err(ImportError::NoArea)));
        assert!(matches!(read(&["联系电话"], true), Err(ImportError::MissingColumn(label)) if label == "姓名"));
        assert!(matches!(read(&["ÐÕÃû", "µç»°"], true), Err(ImportError::UnknownHeader(_))));
        assert!(matches!(read(&["姓名", "name"], true), Err(ImportError::ColumnTwice(_))));
    }

    #[test]
    fn two_hundred_columns_are_read_and_those_unknown_said() {
        let mut cells: Vec<String> = (0..199).map(|n| format!("列{n}")).collect();
        cells.push("姓名".to_owned());
        let forms = Forms::parse(assets::FORMS.iter().copied()).unwrap();
        let header = Header::read(forms.newest(RecordKind::Person).unwrap(), &cells, true).unwrap();
        assert_eq!(header.ignored().len(), 199);
    }
}
