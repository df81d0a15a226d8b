/** What the profiles with extended channels export besides. Wherever an extranonce is, 32 bytes are read. */
import { ExtendedDevice } from "../../../packages/core/src/device/extended-device"
import { own } from "./instance"

const extranonce = new Uint8Array(32)

function ownExtended(): ExtendedDevice {
  return changetype<ExtendedDevice>(own())
}

/** Asks for an extended channel with at least so many bytes of extranonce, or (`extended` false, the default) a standard one. */
export function setExtended(extended: bool, minExtranonceSize: u32): void {
  const device = ownExtended()
  device.isExtended = extended
  device.minExtranonceSize = minExtranonceSize
}
/** Bytes of extranonce that the device rolls: 0 on a standard channel. */
export function extranonceSize(): i32 {
  return ownExtended().extranonceSize
}
/** Puts the merkle root for this extranonce (`extranonceSize` bytes) into the work's header, which begins with zeros. */
export function rollExtranonce(at: usize): bool {
  memory.copy(extranonce.dataStart, at, 32)
  return ownExtended().rollExtranonce(extranonce, 0)
}
/** Submits a share with its extranonce (`extranonceSize` bytes); SUBMIT_ code. */
export function submitExtended(jobId: u32, nonce: u32, ntime: u32, version: u32, at: usize): i32 {
  memory.copy(extranonce.dataStart, at, 32)
  return ownExtended().submitExtended(jobId, nonce, ntime, version, extranonce, 0)
}
