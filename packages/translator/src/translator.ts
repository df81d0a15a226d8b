/** The layers of the two translators. */
export { dialer, type DialerOptions, eitherDialer } from "./dialer/dialer.ts"
