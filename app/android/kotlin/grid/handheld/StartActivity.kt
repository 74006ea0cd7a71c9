package grid.handheld

import android.app.Activity
import android.content.Intent
import android.os.Bundle
import android.util.TypedValue
import android.webkit.WebSettings
import android.widget.ScrollView
import android.widget.TextView
import dev.dioxus.main.MainActivity

/** Looks at the web view before anything is drawn in it: too old a one would show nothing at all. */
class StartActivity : Activity() {
    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        val found = chromium()
        if (found >= resources.getInteger(R.integer.least_chromium)) {
            startActivity(Intent(this, MainActivity::class.java).addFlags(Intent.FLAG_ACTIVITY_NO_ANIMATION))
            finish()
            return
        }
        val text = TextView(this)
        val edge = TypedValue.applyDimension(TypedValue.COMPLEX_UNIT_DIP, 24f, resources.displayMetrics).toInt()
        text.setPadding(edge, edge, edge, edge)
        text.setTextSize(TypedValue.COMPLEX_UNIT_SP, 20f)
        text.text = getString(R.string.grid_old_view, found)
        setContentView(ScrollView(this).apply { addView(text) })
    }

    /** The web view's version as its pages see it, whoever's it is; 0 if there is none. */
    private fun chromium(): Int = try {
        val agent = WebSettings.getDefaultUserAgent(this)
        Regex("Chrome/(\\d+)").find(agent)?.groupValues?.get(1)?.toInt() ?: 0
    } catch (refused: Exception) {
        0
    }
}
