/**
 * Tests of the C build take compilers and emulators that a machine may not have, and time: they run in `npm run device`,
 * which .ci/run calls, and are skipped elsewhere.
 */
export const isDeviceRun = process.env["SLUICE_DEVICE"] === "1"
