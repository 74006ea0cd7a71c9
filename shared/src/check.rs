//! Check digits and shapes of numbers (GB 11643, GB 32100, mobile numbers).
