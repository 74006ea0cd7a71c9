package grid.handheld

import android.os.Build
import android.security.keystore.KeyGenParameterSpec
import android.security.keystore.KeyPermanentlyInvalidatedException
import android.security.keystore.KeyProperties
import android.security.keystore.StrongBoxUnavailableException
import androidx.annotation.RequiresApi
import java.security.KeyStore
import javax.crypto.AEADBadTagException
import javax.crypto.Cipher
import javax.crypto.KeyGenerator
import javax.crypto.SecretKey
import javax.crypto.spec.GCMParameterSpec

/** Keys that do not leave the hardware; AES-GCM, the name bound to what is sealed. */
object Keys {
    private const val STORE = "AndroidKeyStore"
    private const val CIPHER = "AES/GCM/NoPadding"
    private const val TAG_BITS = 128

    @JvmStatic
    fun seal(name: String, secret: ByteArray): ByteArray {
        val cipher = Cipher.getInstance(CIPHER)
        cipher.init(Cipher.ENCRYPT_MODE, find(name) ?: make(name))
        cipher.updateAAD(name.toByteArray())
        val sealed = cipher.doFinal(secret)
        return byteArrayOf(cipher.iv.size.toByte()) + cipher.iv + sealed
    }

    /** Null: the key is gone, or what it is to open was sealed by another one. Anything else that is wrong is thrown. */
    @JvmStatic
    fun open(name: String, sealed: ByteArray): ByteArray? {
        val key = find(name) ?: return null
        val nonce = sealed.firstOrNull()?.toInt() ?: return null
        if (nonce < 1 || sealed.size <= nonce + 1) return null
        return try {
            val cipher = Cipher.getInstance(CIPHER)
            cipher.init(Cipher.DECRYPT_MODE, key, GCMParameterSpec(TAG_BITS, sealed, 1, nonce))
            cipher.updateAAD(name.toByteArray())
            cipher.doFinal(sealed, nonce + 1, sealed.size - nonce - 1)
        } catch (refused: AEADBadTagException) {
            null
        } catch (refused: KeyPermanentlyInvalidatedException) {
            null
        }
    }

    @JvmStatic
    fun remove(name: String) {
        store().deleteEntry(name)
    }

    private fun store(): KeyStore = KeyStore.getInstance(STORE).apply { load(null) }

    private fun find(name: String): SecretKey? = store().getKey(name, null) as SecretKey?

    private fun make(name: String): SecretKey {
        val strong = if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.P) Strong.make(name) else null
        return strong ?: generate(name, false)
    }

    /** By itself, for it names a class that old systems do not have. */
    @RequiresApi(Build.VERSION_CODES.P)
    private object Strong {
        /** Null: there is no chip of its own, as on most; the key then lives in the processor's guarded part. */
        fun make(name: String): SecretKey? = try {
            generate(name, true)
        } catch (refused: StrongBoxUnavailableException) {
            null
        }
    }

    private fun generate(name: String, strong: Boolean): SecretKey {
        val purposes = KeyProperties.PURPOSE_ENCRYPT or KeyProperties.PURPOSE_DECRYPT
        val spec = KeyGenParameterSpec.Builder(name, purposes)
            .setBlockModes(KeyProperties.BLOCK_MODE_GCM)
            .setEncryptionPaddings(KeyProperties.ENCRYPTION_PADDING_NONE)
            .setKeySize(256)
        if (strong && Build.VERSION.SDK_INT >= Build.VERSION_CODES.P) spec.setIsStrongBoxBacked(true)
        val generator = KeyGenerator.getInstance(KeyProperties.KEY_ALGORITHM_AES, STORE)
        generator.init(spec.build())
        return generator.generateKey()
    }
}
