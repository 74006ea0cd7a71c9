# 备份、恢复、核验、清除、合并重复。

keep-made = 备份已完成并核验：{ $folder }，{ $files } 个文件，{ $bytes }。
keep-verified = 核验完毕，没有发现问题。
keep-found = 发现 { $n } 处问题。
keep-restored = 已把 { $at } 的备份恢复到 { $data }，新的纪元是 { $epoch }；清除名单上有 { $erased } 条，已重新清除。
keep-restored-no-list = 注意：没有找到清除名单（erased.list）。备份之后清除过的人员资料可能又回来了。如果原来的数据目录还在，请清空这次恢复的目录，用 --erased 指明原目录后重新恢复。
keep-error-full = 备份没有做成：磁盘已满。
keep-error-failed = 没有做成：数据库或文件读写出错
keep-error-busy = 另一个备份正在往这个目录写，请等它做完。
keep-error-unsteady = 备份没有做成：复制时文件一再变动，请稍后再试。
keep-error-not-whole = 备份不完整，没有采用：
keep-error-no-backup = 这里不是备份目录：没有可读的 manifest.json。
keep-error-future = 这个备份是更新版本的程序做的，请先更新程序。
keep-error-not-empty = 目标目录不是空的，没有恢复。请指定一个空目录。
keep-error-clock = 本机的时钟比备份的时间还早，没有恢复。请先校准时钟。
keep-error-list = 清除名单读不出来，没有恢复。请用 --erased 指明 erased.list 或原来的数据目录。

keep-found-missing = 缺少文件 { $path }。
keep-found-bytes = 文件 { $path } 与清单上的校验值不符。
keep-found-path = 清单上的路径 { $path } 超出了备份目录。
keep-found-unread = 读不出 { $path }：{ $why }
keep-found-sqlite = 数据库自检：{ $why }
keep-found-altered = 档案 { $record }（{ $part }）的内容与它的修改记录合不上。
keep-found-unreadable = 档案 { $record }（{ $part }）的内容读不出来。
keep-found-beside = 档案 { $record }（{ $part }）的所在网格、可见人员或删除标记与内容不符。
keep-found-no-part = 档案 { $record } 有修改记录，却没有内容。
keep-found-high-water = 编号 { $slot } 的终端记到第 { $mark } 条，库里却有第 { $n } 条。
keep-found-erased = 已清除的档案 { $record } 还有资料留在库里。
keep-found-no-photo = 缺少照片 { $hash }。
keep-found-photo = 照片 { $hash } 的内容已损坏。
keep-found-batch = 批次 { $number } 的文件与封存时不符。

console-backup = 备份
console-backup-look = 要查看
console-backup-none = 还没有做过备份。
console-backup-last = 最近一次：{ $when }，{ $bytes }
console-backup-failed = { $when } 的备份失败：
console-backup-off = 服务器没有设定自动备份。手机上的“可以交机”要等有了备份才会亮。
console-backup-late = 已经超过设定的间隔没有备份了。

erase-reason-request = 本人要求
erase-reason-mistake = 本不该登记
erase-reason-expired = 保存期已满
erase-done = 已清除 { $records } 条档案、{ $photos } 张照片，并收回 { $batches } 个批次的文件。
erase-backups = 以前的备份里还有这些资料，要等它们按保留份数被替换掉。
erase-not-swept = 磁盘上可能还有残留，下次启动服务器时会继续清理。
erase-error = 没有清除
console-erase = 清除资料
console-erase-what = 姓名、号码、照片、历史记录都会彻底删掉，只留下编号，谁也恢复不了。合并到这条档案的重复档案一起清除，含有它的批次文件也会收回。
console-erase-type = 请照样输入这条档案的名称：{ $title }
console-erase-wrong = 输入的名称与档案不一致，没有清除。
console-erase-do = 彻底清除
console-erased = 已清除
batch-error-erased = 这个批次里有已清除的资料，文件已收回；清单保留。
batch-erased-short = 文件已收回
audit-erase = 清除了资料
audit-batch-erased = 因清除收回批次文件
