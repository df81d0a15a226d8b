import { render } from "solid-js/web"
import { App } from "./app.tsx"
import { start } from "./live.ts"
import { route } from "./route.ts"
import "./style.css"

// Whoever has a user's link has no token, and sees that user only.
if (route()[0] !== "shared") void start()
render(() => <App />, document.getElementById("page")!)
