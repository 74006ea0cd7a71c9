package grid.handheld

import android.Manifest
import android.annotation.SuppressLint
import android.content.Context
import android.content.pm.PackageManager
import android.location.Location
import android.location.LocationListener
import android.location.LocationManager
import android.os.Bundle
import android.os.Handler
import android.os.HandlerThread
import android.os.SystemClock
import dev.dioxus.main.MainActivity
import java.util.concurrent.CountDownLatch
import java.util.concurrent.TimeUnit

/** The receiver, by the system's own service: nothing of Google's is needed. */
object Locator {
    /** Good enough, in metres. */
    private const val GOOD = 20f
    private const val WAIT_SECONDS = 20L
    /** A fix of just now counts. */
    private const val FRESH_NANOS = 10_000_000_000L
    /** The receiver runs on for so long after it was asked: at the next door it is warm. */
    private const val WARM_MILLIS = 60_000L
    /** What is taken for the accuracy of a fix that says none. */
    private const val UNKNOWN = 1_000f

    private val thread = HandlerThread("locator").apply { start() }
    private val handler = Handler(thread.looper)
    private val fixes = ArrayList<Location>()
    private var listening = false
    private var waiting: CountDownLatch? = null

    private val listener = object : LocationListener {
        override fun onLocationChanged(location: Location) = came(location)

        // Before Android 11 these have no body of their own, and a call would end the app.
        @Deprecated("Of old systems")
        override fun onStatusChanged(provider: String?, status: Int, extras: Bundle?) = Unit
        override fun onProviderEnabled(provider: String) = Unit
        override fun onProviderDisabled(provider: String) = Unit
    }

    private val rest = Runnable { rest() }
    private var manager: LocationManager? = null

    @JvmStatic
    fun fix(context: Context): DoubleArray? {
        if (!isAllowed(context)) {
            MainActivity.ask(Manifest.permission.ACCESS_FINE_LOCATION, Manifest.permission.ACCESS_COARSE_LOCATION)
            if (!isAllowed(context)) return null
        }
        val latch = CountDownLatch(1)
        if (!begin(context, latch)) return null
        latch.await(WAIT_SECONDS, TimeUnit.SECONDS)
        val best = best() ?: return null
        return doubleArrayOf(best.latitude, best.longitude, metres(best).toDouble(), best.time.toDouble())
    }

    private fun isAllowed(context: Context): Boolean =
        listOf(Manifest.permission.ACCESS_FINE_LOCATION, Manifest.permission.ACCESS_COARSE_LOCATION)
            .any { context.checkSelfPermission(it) == PackageManager.PERMISSION_GRANTED }

    /** False: there is no receiver, or all are switched off. */
    @SuppressLint("MissingPermission")
    @Synchronized
    private fun begin(context: Context, latch: CountDownLatch): Boolean {
        val manager = context.getSystemService(Context.LOCATION_SERVICE) as LocationManager
        val providers = listOf(LocationManager.GPS_PROVIDER, LocationManager.NETWORK_PROVIDER)
            .filter { it in manager.allProviders && manager.isProviderEnabled(it) }
        if (providers.isEmpty()) return false
        this.manager = manager
        waiting?.countDown()
        waiting = latch
        handler.removeCallbacks(rest)
        handler.postDelayed(rest, WAIT_SECONDS * 1_000 + WARM_MILLIS)
        fixes.retainAll { SystemClock.elapsedRealtimeNanos() - it.elapsedRealtimeNanos <= FRESH_NANOS }
        if (!listening) {
            listening = true
            // Each by itself: with the coarse permission alone the receiver of satellites refuses.
            for (provider in providers) {
                try {
                    manager.requestLocationUpdates(provider, 0L, 0f, listener, thread.looper)
                } catch (refused: SecurityException) {
                    continue
                }
            }
        }
        if (fixes.any { metres(it) <= GOOD }) latch.countDown()
        return true
    }

    @Synchronized
    private fun came(location: Location) {
        fixes.add(location)
        if (metres(location) <= GOOD) waiting?.countDown()
    }

    /** The most accurate of those that came while it was waited, or just before. */
    @Synchronized
    private fun best(): Location? = fixes.minByOrNull { metres(it) }

    @Synchronized
    private fun rest() {
        manager?.removeUpdates(listener)
        listening = false
    }

    private fun metres(location: Location): Float = if (location.hasAccuracy()) location.accuracy else UNKNOWN
}
