# Words that the handheld and the console share. The keys end in the code names of the code.

yes = 是
no = 否
none = 无
colon = ：
list-separator = 、
facts-separator = ，

lang-zh-CN = 中文
lang-en = English

role-grid_member = 网格员
role-grid_leader = 网格长
role-informant = 信息员
role-patrol_member = 巡防队员
role-center_staff = 中心工作人员
role-department = 部门
role-admin = 管理员

area-county = 县
area-town = 镇
area-community = 大网格
area-grid = 网格

kind-person = 人
kind-place = 地
kind-object = 物
kind-event = 事
kind-organization = 组织
kind-photo = 照片
kind-workbook = 工作簿
kind-area = 网格范围

part-open = 公开部分
part-restricted = 关爱服务

step-report = 上报
step-settle_on_site = 现场处理
step-take = 自办
step-raise = 提级
step-dispatch = 分流
step-handle = 办理
step-extend = 申请延期
step-grant_extension = 准予延期
step-send_back = 退回
step-feedback = 反馈
step-close = 结案
step-archive = 建档
step-urge = 催办
step-supervise = 督办

stage-reported = 待分流
stage-handling = 办理中
stage-handled = 待反馈
stage-answered = 待结案
stage-closed = 已结案
stage-archived = 已建档

level-grid = 网格
level-community = 大网格
level-centre = 综治中心

light-green = 期限内
light-yellow = 将到期
light-red = 超期

host = 主办
helpers = 协办
limit-hours = { $n } 小时
limit-days = { $n } 个工作日
satisfied-yes = 满意
satisfied-no = 不满意
outcome-settled = 已办成
outcome-not_settled = 未办成
outcome-reconciled = 调成
outcome-not_reconciled = 未调成
contested = 有不一致的处理，请决定
contested-pair = “{ $a }”和“{ $b }”同时发生，请决定以哪个为准

age-years = { $n } 岁
unverified = 待核实
to-decide = 待核对
outside-grid = 网格外·{ $kind }
role-only = { $role }（姓名仅中心可见）

time-now = 刚刚
time-minutes-ago = { $n } 分钟前
time-hours-ago = { $n } 小时前
time-days-ago = { $n } 天前
time-hours-left = 剩 { $n } 小时
time-days-left = 剩 { $n } 天
time-minutes-left = 剩 { $n } 分钟
time-hours-over = 超期 { $n } 小时
time-days-over = 超期 { $n } 天
time-minutes-over = 超期 { $n } 分钟

unit-bytes = { $n } 字节
unit-kilobytes = { $n } KB
unit-megabytes = { $n } MB
unit-metres = { $n } 米

# Problems of validation.
problem-required = 这一项要填。
problem-shape = 内容的格式不对。
problem-path = 这一项不能这样填。
problem-part = 这一项不在这一部分里。
problem-too-long = 最多 { $max } 个字，这里是 { $found } 个。
problem-characters = 有不能显示的字符，请重新输入。
problem-number = 请填数字。
problem-range = 应在 { $min } 到 { $max } 之间。
problem-date = 日期写成 2026-11-23 这样，而且要有这一天。
problem-choice = 没有这个选项，请重新选。
problem-link = 这里要选一条登记过的记录。
problem-photo = 照片的说明不完整，请重拍。
problem-position = 位置不对，请重新定位。
problem-area = 没有写明所属网格。
problem-entry = 这一条的编号和保存的不一致。
problem-phone-length = 手机号是 { $expected } 位，这里是 { $found } 位。
problem-phone-characters = 电话号码只写数字。
problem-phone-short = 电话号码的位数不对，这里是 { $found } 位。
problem-number-length = 待核实：应是 { $expected } 位，这里是 { $found } 位。照证件再看一眼，没错就这样存。
problem-number-characters = 待核实：有不该出现的字符。照证件再看一眼，没错就这样存。
problem-number-date = 待核实：号码里的日期不存在。照证件再看一眼，没错就这样存。
problem-number-check = 待核实：末位对不上。照证件再看一眼，没错就这样存。

# Why a step is not possible.
workflow-not-an-event = 只有“事”才有步骤。
workflow-bad-entry = 这一步的内容看不懂。
workflow-one-step = 一次只能走一步。
workflow-entry-once = 写过的步骤不能再改。
workflow-already-reported = 这件事已经上报过了。
workflow-not-reported = 这件事还没有上报。
workflow-not-now = 这件事现在走不到这一步。
workflow-not-yours = 这一步不由您来走。
workflow-contested = 这件事有不一致的处理，要先由分流的人或中心决定。
workflow-reason-missing = 请写明原因。
workflow-text-missing = 请写明做了什么。
workflow-host-missing = 请选一个主办。
workflow-host-is-helper = 主办不能同时是协办。
workflow-limit-missing = 请写明要延多久。
workflow-limit-too-long = 时限最多 15 天，延期也算在内。
workflow-already-asked = 已经申请过延期，还没有答复。
workflow-nothing-asked = 没有人申请延期。
workflow-top = 已经在综治中心，不能再提级。
workflow-outcome-missing = 请写明结果。
workflow-ledger-missing = 请写明台账编号。
workflow-archived = 这件事已经建档，只能看，不能再改。

# 工作
work-visit = 走访
work-patrol = 巡防
work-inspection = 检查
work-meeting = 例会
work-campaign = 专项排查
work-title = { $work } { $month }月{ $day }日

# 问一声，不拦
doubt-future = 这个时间还没到，请核对。确实如此就照常保存。
doubt-position-zero = 定位像是失灵了（0°，0°），请重新定位。也可以先这样保存。
doubt-position-outside = 这个位置不在本镇范围内，请核对。确实如此就照常保存。
