package grid.handheld

import android.content.ActivityNotFoundException
import android.content.ClipData
import android.content.Context
import android.content.Intent
import android.net.ConnectivityManager
import android.net.Uri
import android.os.BatteryManager
import android.os.Build
import android.os.Environment
import android.os.Handler
import android.os.Looper
import androidx.core.content.FileProvider
import java.io.File

/** What Rust asks of the system. Every name here stands in app/src/platform/android/jni_table.rs too. */
object Bridge {
    /** A picture younger than this may be one that the camera has only just written, not yet read. */
    private const val FRESH_MILLIS = 10_000L

    @JvmStatic
    fun folder(context: Context): String = context.filesDir.absolutePath

    @JvmStatic
    fun noBackupFolder(context: Context): String = context.noBackupFilesDir.absolutePath

    @JvmStatic
    fun name(): String = "${Build.MANUFACTURER} ${Build.MODEL}"

    @JvmStatic
    fun battery(context: Context): Int {
        val manager = context.getSystemService(Context.BATTERY_SERVICE) as BatteryManager
        val percent = manager.getIntProperty(BatteryManager.BATTERY_PROPERTY_CAPACITY)
        return if (percent in 0..100) percent else -1
    }

    @JvmStatic
    fun isMetered(context: Context): Boolean {
        val manager = context.getSystemService(Context.CONNECTIVITY_SERVICE) as ConnectivityManager
        return manager.isActiveNetworkMetered
    }

    @JvmStatic
    fun share(context: Context, path: String, mime: String): Boolean {
        val file = shown(context, path)
        val send = Intent(Intent.ACTION_SEND).setType(mime).putExtra(Intent.EXTRA_STREAM, file)
        send.clipData = ClipData.newRawUri("", file)
        send.addFlags(Intent.FLAG_GRANT_READ_URI_PERMISSION)
        return open(context, Intent.createChooser(send, null))
    }

    @JvmStatic
    fun install(context: Context, path: String): Boolean {
        val view = Intent(Intent.ACTION_VIEW)
        view.setDataAndType(shown(context, path), "application/vnd.android.package-archive")
        return open(context, view)
    }

    @JvmStatic
    fun undelivered(context: Context, something: Boolean) {
        notes(context).edit().putBoolean(UNDELIVERED, something).apply()
        if (!something) DeliveryService.stop()
    }

    @JvmStatic
    fun forgetPictures(context: Context) {
        val folder = context.getExternalFilesDir(Environment.DIRECTORY_PICTURES) ?: return
        val old = System.currentTimeMillis() - FRESH_MILLIS
        val (gone, fresh) = folder.listFiles().orEmpty().partition { it.lastModified() < old }
        for (picture in gone) picture.delete()
        if (fresh.isNotEmpty()) {
            Handler(Looper.getMainLooper()).postDelayed({ forgetPictures(context) }, FRESH_MILLIS)
        }
    }

    /** What Rust said last, also after the device was switched off. */
    internal fun isUndelivered(context: Context): Boolean = notes(context).getBoolean(UNDELIVERED, false)

    private const val UNDELIVERED = "undelivered"

    private fun notes(context: Context) = context.getSharedPreferences("notes", Context.MODE_PRIVATE)

    private fun shown(context: Context, path: String): Uri =
        FileProvider.getUriForFile(context, "${context.packageName}.fileprovider", File(path))

    private fun open(context: Context, intent: Intent): Boolean = try {
        context.startActivity(
            intent.addFlags(Intent.FLAG_ACTIVITY_NEW_TASK or Intent.FLAG_GRANT_READ_URI_PERMISSION)
        )
        true
    } catch (refused: ActivityNotFoundException) {
        false
    }
}
