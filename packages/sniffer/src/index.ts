/** Under way. */
export {}
