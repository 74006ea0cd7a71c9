# 手持机：同步和照片要说的话。

photo-file-lost = 有一张照片在本机找不到了，传不上去。记录里的其他内容不受影响。
photo-not-verified = 照片传到中心后核对不上，会再传一次。
photo-not-there = 这张照片中心没有，或者您不能看。
photo-not-yet = 这张照片还没送到中心。
photo-on-its-way = 这张照片还没送到中心。拍照的终端最近一次联网是{ $when }，它再联网时就会送来。
photo-partly-here = 这张照片正在送来，已到 { $percent } %。
photo-quota = 这台终端今天传的照片够多了，其余的过些时候再传。文字照常传。
sync-wifi-only = 照片只在 Wi-Fi 下传，现在不是 Wi-Fi。

sync-address = 中心的地址不对。要以 https:// 开头。
sync-app-too-old = 这个版本太旧，中心不再接收。请升级，本机的改动都在。
sync-bad-answer = 中心的回复读不懂，会再试。
sync-bad-request = 本机有一处改动发不出去，请找中心。
sync-busy = 中心正忙，稍后自动再传。
sync-code-not-taken = 这个登记码用不了：可能打错了、用过了或过期了。请向管理员要一个新的。
sync-credential-ended = 这台机的登记到期了或已停用，请找管理员重新登记。没传的改动都留着。
sync-out-of-step = 中心与本机的编号对不上，稍后自动再试，没传的改动都留着。
sync-not-allowed = 中心不让这台机做这一步，请找管理员。
sync-not-found = 中心没有这一项。
sync-not-yet = 还没轮到，马上就传。
sync-offline = 现在没有网络，连上就传。
sync-refused = 中心没有收下（{ $code }），请找管理员。
sync-server-full = 中心的盘满了，腾出地方后自动再传。
sync-server-trouble = 中心出了点问题，稍后自动再传。
sync-slow = 网络太慢，没等到回复，稍后自动再传。
sync-text-only = 现在只传文字，照片先留着。
sync-too-large = 一次发得太多，中心没有收下，请找管理员。
sync-under-way = 正在传。

scan-none = 这张照片里没有二维码。请对准屏幕上的二维码，让它占大半个画面，再拍一张。
scan-unclear = 二维码没拍清楚。请拿稳、擦擦镜头、避开反光，再拍一张；也可以直接输入数字。
scan-another = 这个二维码不是登记用的。请拍管理员“终端”页上的那一个。
export-no-recipient = 还不知道中心的密钥：请先同步一次再导出。
export-failed = 导出文件没有写成，请检查存储空间。
sync-revoked = 这台终端已被中心停用。没传的改动都留着，凭新的登记码可以接着用。
sync-doubled = 这台终端的凭证在别处也有人用过，中心先停了它。您填的都不会丢；请到中心领新的登记码，登记后接着用。
sync-wiped = 中心要求清除，这台终端上的数据已经清除。
hand-over-not-safe = 还不能交机：要等全部上传，并且中心已经备份。
hand-over-done = 已交机。您在这台终端上的数据已经清除。
sync-cleartext = 这个地址以 http:// 开头，路上的人看得见内容，所以没有连，什么也没传。请改成 https://，或者向中心要正确的地址。
sync-no-tls = 这个地址上的服务器不用加密，所以没有传任何内容。看看地址和端口对不对，再告诉中心。
sync-old-tls = 这个地址上的服务器用的加密太旧，不安全，所以没有传任何内容。请告诉中心，让管理员看一下服务器。
sync-wrong-key = 对方不是登记时的那台服务器，所以没有传任何内容，没传的都还在。换一个网络再试；还是这样，就告诉中心。
sync-certificate-ended = 服务器的证书到 { $date } 为止，本机的日期是 { $today }。先看本机的日期对不对；日期没错，就告诉中心换证书。没传的都还在。
sync-certificate-not-yet = 服务器的证书从 { $date } 起才有效，本机的日期是 { $today }。先看本机的日期对不对；日期没错，就告诉中心。没传的都还在。
sync-untrusted = 没法确认这个地址就是中心的服务器，所以没有传任何内容。登记时把十六个数字输全，或者粘贴中心给的整行文字；已经登记过的，请告诉中心。
sync-line-cut = 这行文字不完整。请从 grid-enrol: 开始，整行复制再粘贴一次。
sync-code-length = 登记码是十个或十六个数字，请照中心显示的输全。
enrol-wrong-key = 登记码的最后六个数字跟这台服务器对不上，登记码没有发出去，还能用。看看数字和地址有没有输错；没输错就换一个网络，或者告诉中心。

update-none = 现在没有新版本。
update-not-delivered = 还有没上传的改动，全部上传以后再换新版本。
update-installing = 已经交给系统安装，请照屏幕上的提示做。
update-here = 新版本已下载：{ $path }。
update-not-kept = 新版本存不下，请腾出一些存储空间再试。下载过的部分还在。
update-not-verified = 下载的新版本和中心的对不上，已经删掉，没有安装。请再下载一次；还不行就告诉中心。

# 安卓系统自己显示的话（通知、开机提醒、系统组件太旧）。app/android/res 里的 grid_text.xml 由这里生成。
android-app-name = 网格终端
android-channel = 上传与提醒
android-delivering = 正在上传没传完的改动
android-waiting = 还有没上传的改动，请打开应用，输入 PIN 后就会上传
android-does-not-answer = 系统没有回应，应用打不开（{ $why }）。请重启终端再试；还不行就送到中心。您已经填的都在，不会丢。
android-old-view = 请升级系统组件

    这台终端的“Android System WebView”版本太旧（现在是 { $found }，要 80 或更新），打不开应用。您已经填的都在，不会丢。

    怎么升级：打开系统的“设置”→“应用”→“Android System WebView”（有的终端叫“系统 WebView”或“Chrome”），点“更新”。没有“更新”的，请到中心，由管理员安装新版本，再打开本应用。
