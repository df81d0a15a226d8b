/** Draws lines at the bottom of a terminal in place, while other lines scroll by above them. */
import { styleText } from "node:util"
import { CliOutput } from "effect/cli"

export interface Output {
  readonly write: (text: string) => unknown
  /** The width of the terminal in characters. */
  readonly columns: number
}

export interface Line {
  readonly text: string
  readonly style?: "bold" | "dim"
}

export class Screen {
  private readonly output: Output
  private drawn: ReadonlyArray<Line> = []

  constructor(output: Output) {
    this.output = output
  }

  /** Replaces the lines that were drawn before. */
  draw(lines: ReadonlyArray<Line>): void {
    const shown = lines.map(({ style, text }) => {
      const short = shorten(text, this.output.columns)
      return style === undefined ? short : styleText(style, short)
    })
    this.output.write(erase(this.drawn.length) + shown.map((line) => `${line}\n`).join(""))
    this.drawn = lines
  }

  /** Prints a line above the drawn lines. */
  print(line: string): void {
    const { drawn } = this
    this.output.write(`${erase(drawn.length)}${line}\n`)
    this.drawn = []
    this.draw(drawn)
  }
}

/** Moves up by a number of lines, to the beginning of the line (CPL), and clears the screen from there on (ED). */
const erase = (lines: number): string => (lines === 0 ? "" : `\u001B[${lines}F\u001B[J`)

/** Cuts a line at the width of the terminal. A line that wraps would take two rows, and the next drawing would begin too low. */
const shorten = (line: string, columns: number): string => {
  if (CliOutput.displayWidth(line) <= columns) return line
  let short = ""
  for (const character of line) {
    if (CliOutput.displayWidth(short + character) > columns) break
    short += character
  }
  return short
}
