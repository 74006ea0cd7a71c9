package grid.handheld

import android.content.BroadcastReceiver
import android.content.Context
import android.content.Intent

/** The device was switched on: says that something waits, for without a PIN nothing can be delivered. */
class BootReceiver : BroadcastReceiver() {
    override fun onReceive(context: Context, intent: Intent) {
        if (intent.action == Intent.ACTION_BOOT_COMPLETED && Bridge.isUndelivered(context)) {
            Notices.say(context, Notices.WAITING, R.string.grid_waiting)
        }
    }
}
