//! The header of a table: which column is which field.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shared::form::{Field, FieldType, Form};

use super::ImportError;
use super::cells::{Words, can_import, tidy};

/// What the columns of a table are, and what words mean that the form does not know: guessed, then said by somebody, and
/// remembered for the next table with the same header.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// For each column of the file the name of a field, [`AREA`], or nothing: it is left out.
    pub columns: Vec<String>,
    /// By field, what its words mean.
    #[serde(default)]
    pub words: BTreeMap<String, Words>,
}

impl Mapping {
    /// Whether a table of this header can be brought in so.
    pub fn check(&self, form: &Form, header: &[String], area_named: bool) -> Result<(), ImportError> {
        Header::said(form, header, self, area_named).map(drop)
    }
}

/// In a [`Mapping`]: the area a row belongs to.
pub const AREA: &str = "@area";

/// What is wrong with a mapping.
fn check(form: &Form, columns: &[(String, Column<'_>)], area_named: bool) -> Result<(), ImportError> {
    let mut seen: Vec<&str> = Vec::new();
    for (word, column) in columns {
        let name = match column {
            Column::Field(field) => field.name.as_str(),
            Column::Area => AREA,
            Column::Ignored => continue,
        };
        if seen.contains(&name) {
            return Err(ImportError::ColumnTwice(word.clone()));
        }
        seen.push(name);
    }
    if seen.is_empty() {
        let words: Vec<&str> = columns.iter().take(5).map(|(word, _)| word.as_str()).collect();
        return Err(ImportError::UnknownHeader(shorten(&words.join(", "))));
    }
    if !seen.contains(&form.title.as_str()) {
        let label = form.field(&form.title).map_or(form.title.as_str(), |field| field.label.zh.as_str());
        return Err(ImportError::MissingColumn(label.to_owned()));
    }
    if !area_named && !seen.contains(&AREA) {
        return Err(ImportError::NoArea);
    }
    Ok(())
}

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
    /// Finds the columns by Chinese label, English label, field name or another word for it. The field that names the record
    /// must be there, and an area column unless the options name an area.
    pub fn read(form: &'a Form, cells: &[String], area_named: bool) -> Result<Self, ImportError> {
        let header = Self { columns: cells.iter().map(|cell| (shorten(&tidy(cell)), guess(form, cell))).collect() };
        check(form, &header.columns, area_named)?;
        Ok(header)
    }

    /// The same by what somebody said.
    pub fn said(form: &'a Form, cells: &[String], said: &Mapping, area_named: bool) -> Result<Self, ImportError> {
        let column = |name: &str| match name {
            AREA => Column::Area,
            name => form.field(name).filter(|field| is_taken(field)).map_or(Column::Ignored, Column::Field),
        };
        let names = said.columns.iter().map(String::as_str).chain(std::iter::repeat(""));
        let columns = cells.iter().zip(names).map(|(cell, name)| (shorten(&tidy(cell)), column(name))).collect();
        let header = Self { columns };
        check(form, &header.columns, area_named)?;
        Ok(header)
    }

    /// The words of the columns that are not brought in.
    pub fn ignored(&self) -> Vec<String> {
        self.columns.iter().filter(|(_, c)| matches!(c, Column::Ignored)).map(|(word, _)| word.clone()).collect()
    }
}

/// What the columns probably are; of two that look the same the first one is taken.
pub fn guessed(form: &Form, cells: &[String]) -> Mapping {
    let mut columns: Vec<String> = Vec::with_capacity(cells.len());
    for cell in cells {
        let name = match guess(form, cell) {
            Column::Field(field) => field.name.as_str(),
            Column::Area => AREA,
            Column::Ignored => "",
        };
        columns.push(if columns.iter().any(|known| known == name) { String::new() } else { name.to_owned() });
    }
    Mapping { columns, words: BTreeMap::new() }
}

fn guess<'a>(form: &'a Form, cell: &str) -> Column<'a> {
    let word = plain(cell);
    if word.is_empty() {
        return Column::Ignored;
    }
    let by_name = form.fields().find(|field| names(field).any(|name| plain(name) == word));
    let by_alias = || {
        let name = ALIASES.iter().find(|(_, words)| words.contains(&word.as_str()))?.0;
        form.field(name)
    };
    match by_name {
        Some(field) if field.kind == FieldType::Area && field.required => Column::Area,
        Some(field) if is_taken(field) => Column::Field(field),
        Some(_) => Column::Ignored,
        None if AREA_WORDS.contains(&word.as_str()) => Column::Area,
        None => by_alias().filter(|field| is_taken(field)).map_or(Column::Ignored, Column::Field),
    }
}

/// Whether a column can be this field.
pub fn is_taken(field: &Field) -> bool {
    can_import(field) && field.entry
}

/// What offices call the fields in their own tables.
const ALIASES: [(&str, &[&str]); 14] = [
    ("name", &["居民姓名", "人员姓名", "单位名称", "企业名称", "店名", "场所名称", "小区名称"]),
    ("id_number", &["身份证号", "身份证号码", "身份证", "公民身份号码", "证件号"]),
    ("id_type", &["证件种类"]),
    ("birth_date", &["出生年月日", "生日"]),
    ("phone", &["电话", "手机", "手机号", "手机号码", "联系方式", "电话号码"]),
    ("address", &["住址", "地址", "居住地址", "家庭住址", "详细地址", "经营地址"]),
    ("registered_at", &["户籍所在地", "户口所在地"]),
    ("employer", &["工作单位", "就业单位", "单位"]),
    ("relation", &["与户主的关系", "家庭关系"]),
    ("credit_code", &["信用代码", "社会信用代码", "统一信用代码"]),
    ("head", &["法人", "法定代表人", "经营者", "负责人姓名"]),
    ("staff_count", &["从业人数", "员工人数", "人数"]),
    ("number", &["编号", "门牌号"]),
    ("note", &["说明", "其他"]),
];

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
