/** Additional exports of the profiles with extended channels. The module always reads 32 bytes of an extranonce. */
import { ExtendedDevice } from "../../../packages/core/src/device/extended-device"
import { own } from "./instance"

const extranonce = new Uint8Array(32)

function ownExtended(): ExtendedDevice {
  return changetype<ExtendedDevice>(own())
}

/** Selects an extended channel with at least this many bytes of extranonce, or a standard one (the default). */
export function setExtended(extended: bool, minExtranonceSize: u32): void {
  const device = ownExtended()
  device.isExtended = extended
  device.minExtranonceSize = minExtranonceSize
}
/** Bytes of extranonce that the device rolls: 0 on a standard channel. */
export function extranonceSize(): i32 {
  return ownExtended().extranonceSize
}
/** Sets the extranonce of the work (`extranonceSize` bytes, zeros at first) and updates the merkle root in its header. */
export function rollExtranonce(at: usize): bool {
  memory.copy(extranonce.dataStart, at, 32)
  return ownExtended().rollExtranonce(extranonce, 0)
}
/** Submits a share with its extranonce (`extranonceSize` bytes). Returns a SUBMIT_ code. */
export function submitExtended(jobId: u32, nonce: u32, ntime: u32, version: u32, at: usize): i32 {
  memory.copy(extranonce.dataStart, at, 32)
  return ownExtended().submitExtended(jobId, nonce, ntime, version, extranonce, 0)
}
