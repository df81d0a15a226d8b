import { expect, test } from "vitest"
import { Agenda } from "../src/agenda.ts"

test("an agenda gives due items in the order of the slots, and late items at once", () => {
  const agenda = new Agenda<string>(5, 100)
  agenda.add("later", 131)
  agenda.add("soon", 107)
  agenda.add("next", 111)
  agenda.add("past", 3)
  expect(agenda.take(104)).toEqual(["past"])
  expect(agenda.take(104)).toEqual([])
  expect(agenda.take(112)).toEqual(["soon", "next"])
  agenda.add("late", 90)
  expect(agenda.take(120)).toEqual(["late"])
  expect(agenda.take(1000)).toEqual(["later"])
})
