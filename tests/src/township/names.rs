//! Names that belong to nobody: combined from lists of syllables.

use super::dice::Dice;

const SURNAMES: [&str; 40] = [
    "王", "李", "张", "刘", "陈", "杨", "赵", "黄", "周", "吴", "徐", "孙", "胡", "朱", "高", "林", "何", "郭", "马",
    "罗", "梁", "宋", "郑", "谢", "韩", "唐", "冯", "于", "董", "萧", "程", "曹", "袁", "邓", "许", "傅", "沈", "曾",
    "彭", "吕",
];
const WOMEN: [&str; 24] = [
    "秀", "英", "春", "兰", "桂", "香", "玉", "洁", "晓", "燕", "丽", "娟", "雪", "梅", "芳", "婷", "静", "敏", "彩",
    "霞", "月", "琴", "红", "艳",
];
const MEN: [&str; 24] = [
    "建", "国", "文", "博", "长", "顺", "守", "信", "志", "强", "海", "涛", "永", "胜", "德", "福", "小", "军", "伟",
    "明", "立", "新", "成", "林",
];
const PLACES: [&str; 20] = [
    "青禾", "石井", "西滩", "东沟", "柳泉", "红岘", "白墩", "沙梁", "新渠", "上营", "下营", "双墩", "大水", "长窑",
    "麦川", "杏园", "三塘", "北塬", "南湾", "芦塘",
];
const COMPOUNDS: [&str; 16] = [
    "祥和", "安康", "幸福", "惠民", "锦绣", "阳光", "金穗", "永兴", "和顺", "瑞丰", "春晖", "康乐", "福源", "文苑",
    "园丁", "梧桐",
];
const SHOPS: [(&str, &str); 14] = [
    ("五金店", "sole_trader"),
    ("超市", "sole_trader"),
    ("小吃店", "sole_trader"),
    ("面馆", "sole_trader"),
    ("药店", "sole_trader"),
    ("理发店", "sole_trader"),
    ("农资店", "sole_trader"),
    ("汽修部", "sole_trader"),
    ("服装店", "sole_trader"),
    ("水果店", "sole_trader"),
    ("烟酒店", "sole_trader"),
    ("粮油店", "sole_trader"),
    ("文具店", "sole_trader"),
    ("家电维修部", "sole_trader"),
];
const LUCKY: [&str; 16] = [
    "顺发",
    "宏达",
    "兴隆",
    "鑫源",
    "永盛",
    "万家",
    "百惠",
    "聚丰",
    "天成",
    "恒泰",
    "吉祥",
    "广源",
    "福满",
    "好又来",
    "正和",
    "同心",
];

/// A person's name.
pub fn person(dice: &mut Dice, woman: bool) -> String {
    let given = if woman { &WOMEN } else { &MEN };
    let mut name = dice.word(&SURNAMES).to_owned();
    name.push_str(dice.word(given));
    if dice.chance(80) {
        name.push_str(dice.word(given));
    }
    name
}

/// The same with the surname of `of`, as children have.
pub fn child(dice: &mut Dice, of: &str, woman: bool) -> String {
    let surname: String = of.chars().take(1).collect();
    let given: String = person(dice, woman).chars().skip(1).collect();
    surname + &given
}

/// The `n`-th community, village or farm.
pub fn community(n: usize) -> String {
    let place = PLACES.get(n % PLACES.len()).copied().unwrap_or("新");
    let kind = match n % 5 {
        0 => "社区",
        4 => "农场",
        _ => "村",
    };
    format!("{place}{kind}")
}

/// The `n`-th grid of a community: 第三网格.
pub fn grid(n: usize) -> String {
    format!("第{}网格", numeral(n + 1))
}

/// 1 to 99 in Chinese.
pub fn numeral(n: usize) -> String {
    const DIGITS: [&str; 10] = ["", "一", "二", "三", "四", "五", "六", "七", "八", "九"];
    let digit = |d: usize| DIGITS.get(d).copied().unwrap_or_default();
    match n {
        0..=9 => digit(n).to_owned(),
        10..=19 => format!("十{}", digit(n - 10)),
        _ => format!("{}十{}", digit(n / 10), digit(n % 10)),
    }
}

/// A housing compound.
pub fn compound(dice: &mut Dice) -> String {
    format!("{}小区", dice.word(&COMPOUNDS))
}

/// A shop: its name and the code of its type.
pub fn shop(dice: &mut Dice) -> (String, &'static str) {
    let at = usize::try_from(dice.below(14)).unwrap_or_default();
    let (what, kind) = SHOPS.get(at).copied().unwrap_or(("商店", "sole_trader"));
    (format!("{}{what}", dice.word(&LUCKY)), kind)
}
