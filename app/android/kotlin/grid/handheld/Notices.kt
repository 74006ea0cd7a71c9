package grid.handheld

import android.app.Notification
import android.app.NotificationChannel
import android.app.NotificationManager
import android.app.PendingIntent
import android.content.Context
import android.content.Intent
import android.os.Build
import androidx.core.app.NotificationCompat

/** What is said outside of the window: never anything about a resident. */
internal object Notices {
    const val DELIVERING = 1
    const val WAITING = 2
    private const val CHANNEL = "delivery"

    fun of(context: Context, text: Int): Notification {
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.O) {
            val name = context.getString(R.string.grid_channel)
            val channel = NotificationChannel(CHANNEL, name, NotificationManager.IMPORTANCE_LOW)
            manager(context).createNotificationChannel(channel)
        }
        val start = Intent(context, StartActivity::class.java)
        return NotificationCompat.Builder(context, CHANNEL)
            .setSmallIcon(R.drawable.ic_notice)
            .setContentTitle(context.getString(R.string.grid_app_name))
            .setContentText(context.getString(text))
            .setContentIntent(PendingIntent.getActivity(context, 0, start, PendingIntent.FLAG_IMMUTABLE))
            .setAutoCancel(true)
            .build()
    }

    fun say(context: Context, id: Int, text: Int) = manager(context).notify(id, of(context, text))

    private fun manager(context: Context) =
        context.getSystemService(Context.NOTIFICATION_SERVICE) as NotificationManager
}
