package dev.dioxus.main

import android.Manifest
import android.os.Build
import android.os.Bundle
import android.view.WindowManager
import androidx.activity.OnBackPressedCallback
import androidx.activity.result.ActivityResultLauncher
import androidx.activity.result.contract.ActivityResultContracts
import grid.handheld.Bridge
import grid.handheld.DeliveryService
import java.lang.ref.WeakReference
import java.util.concurrent.CountDownLatch
import java.util.concurrent.TimeUnit
import kotlin.system.exitProcess

// The window's own classes ask for it by this name.
typealias BuildConfig = grid.handheld.BuildConfig

/** The window. Its pages, and what is behind them, are Rust's. */
class MainActivity : WryActivity() {
    private lateinit var permissions: ActivityResultLauncher<Array<String>>

    override fun onCreate(savedInstanceState: Bundle?) {
        // No picture of a resident's record in the list of recent apps, in screenshots or on a cast screen.
        window.setFlags(WindowManager.LayoutParams.FLAG_SECURE, WindowManager.LayoutParams.FLAG_SECURE)
        permissions = registerForActivityResult(ActivityResultContracts.RequestMultiplePermissions()) {
            answered?.countDown()
        }
        super.onCreate(savedInstanceState)
        here = WeakReference(this)
        // Within the app going back is the pages' own history. From its first page the app is left, never ended: a second
        // start of Rust in the same process is not to be had.
        onBackPressedDispatcher.addCallback(this, object : OnBackPressedCallback(true) {
            override fun handleOnBackPressed() {
                moveTaskToBack(true)
            }
        })
        Bridge.forgetPictures(this)
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.TIRAMISU) {
            permissions.launch(arrayOf(Manifest.permission.POST_NOTIFICATIONS))
        }
    }

    override fun onStart() {
        super.onStart()
        DeliveryService.stop()
    }

    override fun onStop() {
        super.onStop()
        if (Bridge.isUndelivered(this)) DeliveryService.start(this)
    }

    override fun onDestroy() {
        super.onDestroy()
        // Everything is on disk at every moment. What is shown next begins as a new process, for the reason above.
        exitProcess(0)
    }

    companion object {
        private var here = WeakReference<MainActivity>(null)
        @Volatile
        private var answered: CountDownLatch? = null

        /** Asks the user and waits for the answer, a minute at most; not on the thread of the window. */
        @Synchronized
        fun ask(vararg wanted: String) {
            val window = here.get() ?: return
            val latch = CountDownLatch(1)
            answered = latch
            window.runOnUiThread { window.permissions.launch(arrayOf(*wanted)) }
            latch.await(1, TimeUnit.MINUTES)
            answered = null
        }
    }
}
