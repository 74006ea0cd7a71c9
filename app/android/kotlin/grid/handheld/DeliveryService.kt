package grid.handheld

import android.app.Service
import android.content.Context
import android.content.Intent
import android.content.pm.ServiceInfo
import android.os.Build
import android.os.Handler
import android.os.IBinder
import android.os.Looper
import androidx.core.content.ContextCompat

/**
 * Keeps the process while something is delivered and nobody looks: Rust goes on by itself. It ends when Rust says that all is
 * delivered, when the app is opened, or with the time after which the handheld is locked and has no key any more.
 */
class DeliveryService : Service() {
    private val handler = Handler(Looper.getMainLooper())

    override fun onBind(intent: Intent?): IBinder? = null

    override fun onStartCommand(intent: Intent?, flags: Int, startId: Int): Int {
        val notice = Notices.of(this, R.string.grid_delivering)
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q) {
            startForeground(Notices.DELIVERING, notice, ServiceInfo.FOREGROUND_SERVICE_TYPE_DATA_SYNC)
        } else {
            startForeground(Notices.DELIVERING, notice)
        }
        running = this
        handler.removeCallbacksAndMessages(null)
        handler.postDelayed({ stopSelf() }, if (wanted) LONGEST_MILLIS else 0)
        return START_NOT_STICKY
    }

    override fun onDestroy() {
        handler.removeCallbacksAndMessages(null)
        running = null
        super.onDestroy()
    }

    companion object {
        /** The five minutes after which the handheld is locked, and a sync that is under way then. */
        private const val LONGEST_MILLIS = 10 * 60 * 1_000L

        @Volatile
        private var wanted = false
        @Volatile
        private var running: DeliveryService? = null

        fun start(context: Context) {
            wanted = true
            try {
                ContextCompat.startForegroundService(context, Intent(context, DeliveryService::class.java))
            } catch (refused: IllegalStateException) {
                // The system does not let it: what is left goes when the app is opened again.
            }
        }

        /** One that was started and does not run yet must not be stopped from outside: the system would end the app for it. */
        fun stop() {
            wanted = false
            running?.stopSelf()
        }
    }
}
