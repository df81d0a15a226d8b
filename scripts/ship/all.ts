/** `npm run ship`: every artefact for this machine, in build/ship, and the modules for devices in embedded/build. */
import { buildDeb } from "./deb/build.ts"
import { buildDeviceRelease } from "./device/build.ts"
import { buildImage } from "./image/build.ts"
import { packAll } from "./npm.ts"
import { run } from "./workspace.ts"

await packAll()
await run(["node", "embedded/c/build.ts"])
await buildDeviceRelease()
await buildImage()
await buildDeb()
