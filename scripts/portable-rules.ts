/**
 * The rules of the portable core (docs/architecture.md): a subset of TypeScript in which a file means the same to Node and
 * to AssemblyScript. `tsc` and `asc` each reject what is wrong for themselves; these rules reject code that both accept
 * with different meanings, and code that does not belong on a device.
 *
 * Types are followed only as far as the rules need them: f64, elements of Uint8Array, and the rest.
 */
import { parseSync, visitorKeys } from "oxc-parser"

export interface SourceFile {
  readonly name: string
  readonly text: string
}

export interface Problem {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly rule: string
  readonly reason: string
}

interface Node {
  readonly type: string
  readonly start: number
  readonly [key: string]: unknown
}

/** The type of an expression. "integer" is a literal that takes the type of the other operand. */
type Type = "i32" | "integer" | "f64" | "bool" | "byte" | "bytes" | "words" | "void" | "unknown" | { class: string }

interface ClassShape {
  /** The name of the class that it extends. */
  readonly base: string | undefined
  readonly fields: Map<string, Type>
  readonly methods: Map<string, Type>
}

/** The declarations that files share, by name. */
interface Declared {
  readonly classes: Map<string, ClassShape>
  readonly functions: Map<string, Type>
  readonly constants: Map<string, Type>
}

/** The problems of all files. Files may import each other. */
export const findProblems = (files: ReadonlyArray<SourceFile>): ReadonlyArray<Problem> => {
  const parsed = files.map((file) => {
    const { program, errors } = parseSync(file.name, file.text, { preserveParens: false })
    return { file, program: program as unknown as Node, errors }
  })
  const declared: Declared = { classes: new Map(), functions: new Map(), constants: new Map() }
  for (const { program } of parsed) declare(program, declared)
  return parsed.flatMap(({ file, program, errors }) => {
    const problems: Array<Problem> = errors.map((error) => ({
      file: file.name,
      ...position(file.text, error.labels[0]?.start ?? 0),
      rule: "syntax",
      reason: error.message
    }))
    check(program, declared, (node, rule, reason) => {
      problems.push({ file: file.name, ...position(file.text, node.start), rule, reason })
    })
    return problems
  })
}

const position = (text: string, offset: number): { readonly line: number; readonly column: number } => {
  const before = text.slice(0, offset).split("\n")
  return { line: before.length, column: before.at(-1)!.length + 1 }
}

/** The allowed nodes. All others are refused, some with a special reason in `refusedNodes`. */
const allowedNodes = new Set([
  "ArrayExpression",
  "AssignmentExpression",
  "BinaryExpression",
  "BlockStatement",
  "BreakStatement",
  "CallExpression",
  "ClassBody",
  "ClassDeclaration",
  "ConditionalExpression",
  "ContinueStatement",
  "ExportAllDeclaration",
  "ExportNamedDeclaration",
  "ExpressionStatement",
  "ForStatement",
  "FunctionDeclaration",
  "FunctionExpression",
  "Identifier",
  "IfStatement",
  "ImportDeclaration",
  "ImportSpecifier",
  "Literal",
  "LogicalExpression",
  "MemberExpression",
  "MethodDefinition",
  "NewExpression",
  "Program",
  "PropertyDefinition",
  "ReturnStatement",
  "Super",
  "TSAbstractMethodDefinition",
  "TSArrayType",
  "TSAsExpression",
  "TSEmptyBodyFunctionExpression",
  "TSTypeAnnotation",
  "TSTypeReference",
  "TSVoidKeyword",
  "ThisExpression",
  "UnaryExpression",
  "UpdateExpression",
  "VariableDeclaration",
  "VariableDeclarator",
  "WhileStatement"
])

const refusedNodes: Record<string, string> = {
  ArrowFunctionExpression: "a closure; asc has none",
  ArrayPattern: "destructuring; asc has none",
  AssignmentPattern: "a default value; pass every argument",
  AwaitExpression: "asynchronous; the core is handed its bytes",
  ChainExpression: "optional chaining; asc has none",
  Decorator: "a decorator; Node cannot strip it",
  ForInStatement: "iteration over keys; asc has none",
  ForOfStatement: "iteration by protocol; asc has none",
  ImportExpression: "a dynamic import; asc has none",
  ObjectExpression: "an object literal; asc has only classes",
  ObjectPattern: "destructuring; asc has none",
  RestElement: "a rest element; asc has none",
  SpreadElement: "a spread; asc has none",
  TSAnyKeyword: "any; asc has none",
  TSBigIntKeyword: "bigint; asc has none",
  TSBooleanKeyword: "boolean; write bool, which both know",
  TSEnumDeclaration: "an enum; Node cannot strip it",
  TSModuleDeclaration: "a namespace; Node cannot strip it",
  TSNonNullExpression: "`!`; without unions there is nothing to deny",
  TSNumberKeyword: "number, which is f64 to asc; write i32 or f64",
  TSStringKeyword: "string; the core deals in bytes",
  TSUnionType: "a union; asc has none",
  TemplateLiteral: "a string; the core deals in bytes",
  ThrowStatement: "an exception; answer with a code or a bool",
  TryStatement: "an exception; asc cannot catch",
  YieldExpression: "a generator; asc has none"
}

const allowedTypes = new Set(["i32", "f64", "bool", "u8", "Uint8Array", "Int32Array"])
const typedArrays = new Set(["Uint8Array", "Int32Array"])
/** Methods of typed arrays that mean the same in both and allocate nothing. */
const arrayMethods = new Set(["fill", "set", "copyWithin"])

const bitwise = new Set(["|", "&", "^", "<<", ">>", ">>>"])
const comparisons = new Set(["<", "<=", ">", ">=", "===", "!=="])
/** Products with a literal up to this stay below 2^53, where a product of two f64 is exact. */
const MAX_FACTOR = 2 ** 21

type Report = (node: Node, rule: string, reason: string) => void

const check = (program: Node, declared: Declared, report: Report): void => {
  const scopes: Array<Map<string, Type>> = [new Map()]
  const parents: Array<Node> = []
  let currentClass = ""
  let currentReturn: Type = "void"

  const lookUp = (name: string): Type | undefined =>
    scopes.findLast((scope) => scope.has(name))?.get(name) ?? declared.constants.get(name)
  const parent = (up: number = 1): Node => parents[parents.length - up]!
  const within = (type: string): boolean => parents.some((node) => node.type === type)

  const typeOf = (node: Node): Type => {
    switch (node.type) {
      case "Literal":
        return typeof node["value"] === "boolean" ? "bool" : /^0x|^\d+$/i.test(String(node["raw"])) ? "integer" : "f64"
      case "Identifier":
        return lookUp(node["name"] as string) ?? "unknown"
      case "ThisExpression":
        return { class: currentClass }
      case "Super":
        return { class: declared.classes.get(currentClass)?.base ?? "" }
      case "MemberExpression": {
        const object = typeOf(node["object"] as Node)
        if (node["computed"] === true) return object === "bytes" ? "byte" : object === "words" ? "i32" : "unknown"
        const name = (node["property"] as Node)["name"] as string
        if (typeof object === "object") {
          return memberOf(declared, object.class, name) ?? "unknown"
        }
        return name === "length" ? "i32" : "unknown"
      }
      case "CallExpression": {
        const callee = node["callee"] as Node
        return callee.type === "Identifier"
          ? (declared.functions.get(callee["name"] as string) ?? "unknown")
          : typeOf(callee)
      }
      case "NewExpression":
        return named(nameOf(node["callee"] as Node))
      case "TSAsExpression":
        return annotated(node["typeAnnotation"] as Node)
      case "BinaryExpression": {
        const operator = node["operator"] as string
        if (comparisons.has(operator)) return "bool"
        if (bitwise.has(operator)) return "i32"
        const types = [typeOf(node["left"] as Node), typeOf(node["right"] as Node)]
        return types.includes("f64") ? "f64" : types.every((type) => type === "integer") ? "integer" : "i32"
      }
      case "UnaryExpression":
        return node["operator"] === "!" ? "bool" : node["operator"] === "~" ? "i32" : typeOf(node["argument"] as Node)
      case "ConditionalExpression": {
        const type = typeOf(node["consequent"] as Node)
        return type === "integer" ? typeOf(node["alternate"] as Node) : type
      }
      case "LogicalExpression":
        return "bool"
      case "AssignmentExpression":
        return typeOf(node["left"] as Node)
      default:
        return "unknown"
    }
  }

  const isInteger = (node: Node): boolean => {
    const type = typeOf(node)
    return type !== "f64"
  }

  /** Whether JavaScript reduces the value of the current node to 32 bits, as asc has done already. */
  const isCut = (): boolean => {
    for (let up = 1; ; up++) {
      const above = parent(up)
      if (above.type === "UnaryExpression" && above["operator"] === "~") return true
      if (above.type !== "BinaryExpression") return false
      const operator = above["operator"] as string
      if (bitwise.has(operator)) return true
      if (operator !== "+" && operator !== "-") return false
    }
  }

  /** Whether the current sum is an index, or an argument that is an offset (it adds to a name that is `at` or ends in `At`). */
  const isOffset = (node: Node): boolean => {
    let up = 1
    while (parent(up).type === "BinaryExpression") {
      const operator = parent(up)["operator"]
      if (operator !== "+" && operator !== "-") return false
      up++
    }
    const above = parent(up)
    const whole = up === 1 ? node : parent(up - 1)
    if (above.type === "MemberExpression") return above["computed"] === true && above["property"] === whole
    return above.type === "CallExpression" && leaves(whole).some((leaf) => /^at$|At$/.test(String(leaf["name"])))
  }

  const checkBinary = (node: Node): void => {
    const operator = node["operator"] as string
    const [left, right] = [node["left"] as Node, node["right"] as Node]
    if (operator === "==" || operator === "!=")
      report(node, "loose-equality", `\`${operator}\`; write \`${operator}=\``)
    if (["in", "instanceof"].includes(operator)) report(node, "subset", `\`${operator}\`; asc differs`)
    if (operator === ">>>" && !isCut() && !(isLiteral(right) && literal(right) >= 1 && literal(right) <= 31)) {
      report(
        node,
        "unsigned-shift",
        "`>>>` gives JavaScript an unsigned number and asc a signed one, except by a literal 1 to 31 or under `|`"
      )
    }
    if (operator === "%" || operator === "**")
      report(node, "division", `\`${operator}\` on integers differs or traps; do without`)
    if (!isInteger(node)) return
    if (operator === "/") report(node, "division", "asc divides integers without a remainder, JavaScript does not")
    if (operator === "*" && ![left, right].some((side) => isLiteral(side) && literal(side) <= MAX_FACTOR)) {
      report(node, "product", "a product of two words is not exact in JavaScript; one factor must be a small literal")
    }
    const both = typeOf(left) === "integer" && typeOf(right) === "integer"
    if (["+", "-", "*"].includes(operator) && !both && !isCut() && !isOffset(node)) {
      report(node, "overflow", `\`${operator}\` wraps at 32 bits in asc and not in JavaScript; end it in \`| 0\``)
    }
  }

  const checkElement = (node: Node): void => {
    const object = typeOf(node["object"] as Node)
    if (object !== "bytes" && object !== "words") {
      report(node, "element", "an element of a value that is not known to be a Uint8Array or an Int32Array")
    }
    if (object !== "bytes") return
    const above = parent()
    if (above.type === "AssignmentExpression" && above["left"] === node) return
    if (above.type === "AssignmentExpression" && above["right"] === node && typeOf(above["left"] as Node) === "byte")
      return
    if (above.type === "VariableDeclarator" && ["i32", "f64"].includes(String(annotation(above["id"] as Node)))) return
    if (above.type === "ReturnStatement" && currentReturn === "i32") return
    report(
      node,
      "byte",
      "to asc an element of a Uint8Array is 8 bits wide and arithmetic on it wraps; put it in a `const x: i32` first"
    )
  }

  const checkAssignment = (node: Node): void => {
    const operator = node["operator"] as string
    const [left, right] = [node["left"] as Node, node["right"] as Node]
    const target = typeOf(left)
    if (["&&=", "||=", "??="].includes(operator)) report(node, "subset", `\`${operator}\`; asc has none`)
    if (["+=", "-=", "*=", "/=", "%=", "**=", ">>>="].includes(operator) && target !== "f64") {
      const counts = parent().type === "ForStatement" && (operator === "+=" || operator === "-=") && isLiteral(right)
      if (!counts)
        report(node, "overflow", `\`${operator}\` on an integer; write the operation out, and \`| 0\` behind it`)
    }
    if (target === "byte") {
      const fits = isLiteral(right) && literal(right) <= 255
      const narrowed = right.type === "TSAsExpression" && named(typeName(right["typeAnnotation"] as Node)) === "byte"
      if (operator !== "=" || !(fits || narrowed || typeOf(right) === "byte")) {
        report(node, "byte", "into a Uint8Array goes a literal up to 255, another element, or `(x) as u8`")
      }
    }
  }

  const checkAs = (node: Node): void => {
    const above = parent()
    const to = typeName(node["typeAnnotation"] as Node)
    if (to === "u8" && above.type === "AssignmentExpression" && typeOf(above["left"] as Node) === "byte") return
    const cut = above.type === "BinaryExpression" && above["operator"] === "|" && literal(above["right"] as Node) === 0
    if (to === "i32" && cut) return
    report(
      node,
      "cast",
      "`as` converts in asc and does nothing in JavaScript; only `b[i] = (x) as u8` and `(x as i32) | 0` agree"
    )
  }

  const checkLiteral = (node: Node): void => {
    if (typeof node["value"] === "string") {
      if (!["ImportDeclaration", "ExportAllDeclaration", "ExportNamedDeclaration"].includes(parent().type)) {
        report(node, "subset", "a string; the core deals in bytes")
      }
      return
    }
    if (typeof node["value"] !== "number" && typeof node["value"] !== "boolean") {
      report(node, "subset", `\`${String(node["raw"])}\`; the core has numbers and bools alone`)
      return
    }
    if (typeOf(node) !== "integer" || literal(node) <= 0x7fffffff) return
    const above = parent()
    const stored =
      above.type === "AssignmentExpression" &&
      (above["left"] as Node).type === "MemberExpression" &&
      above["right"] === node
    if (isCut() || stored || above.type === "ArrayExpression") return
    report(
      node,
      "literal",
      "above 2^31 - 1 it is positive to JavaScript and a negative i32 to asc, except under a bitwise operator"
    )
  }

  const checkDeclarator = (node: Node): void => {
    const init = node["init"] as Node | null
    const id = node["id"] as Node
    if (annotation(id) !== undefined || init === null) return
    // The name of an object, from which neither infers the type of a number.
    const aliased = ["NewExpression", "MemberExpression"].includes(init.type) && init["computed"] !== true
    if (!aliased)
      report(node, "annotation", "a number's type is guessed differently; write `: i32`, `: f64` or `: bool`")
  }

  const checkNew = (node: Node): void => {
    const made =
      within("FunctionDeclaration") ||
      parents.some((at) => at.type === "MethodDefinition" && at["kind"] !== "constructor")
    if (made)
      report(node, "allocation", "nothing is allocated per message; make it in a constructor or beside the functions")
    const name = nameOf(node["callee"] as Node)
    if (!typedArrays.has(name) && !declared.classes.has(name))
      report(node, "subset", `new ${name}; not a class of the core`)
  }

  const checkCall = (node: Node): void => {
    const callee = node["callee"] as Node
    if (callee.type !== "MemberExpression") return
    const object = typeOf(callee["object"] as Node)
    const name = String((callee["property"] as Node)["name"])
    if (typeof object === "object") return
    if (!arrayMethods.has(name))
      report(node, "method", `.${name}(); of arrays only ${[...arrayMethods].join(", ")} are the same in both`)
  }

  const checkName = (node: Node): void => {
    const name = node["name"] as string
    const above = parent()
    const isLabel =
      (above.type === "MemberExpression" && above["property"] === node && above["computed"] !== true) ||
      ([
        "PropertyDefinition",
        "MethodDefinition",
        "TSAbstractMethodDefinition",
        "ImportSpecifier",
        "TSTypeReference"
      ].includes(above.type) &&
        above["value"] !== node)
    if (isLabel || lookUp(name) !== undefined || declared.functions.has(name) || declared.classes.has(name)) return
    if (typedArrays.has(name)) return
    report(node, "global", `${name} is not declared in the core; asc has another one or none`)
  }

  const checkFunction = (node: Node): void => {
    if (node["async"] === true || node["generator"] === true)
      report(node, "subset", "async or a generator; asc has none")
    const method = ["MethodDefinition", "TSAbstractMethodDefinition"].includes(parent().type)
    if (!method && (node.type === "FunctionExpression" || parents.some((at) => at.type === "BlockStatement"))) {
      report(node, "subset", "a closure; asc has none")
    }
    for (const parameter of node["params"] as ReadonlyArray<Node>) {
      if (parameter.type === "Identifier" && annotation(parameter) === undefined)
        report(parameter, "annotation", "a parameter without a type")
      if (parameter["optional"] === true) report(parameter, "subset", "an optional parameter; pass every argument")
    }
    const isConstructor = parent().type === "MethodDefinition" && parent()["kind"] === "constructor"
    if (node["returnType"] == null && !isConstructor) report(node, "annotation", "a function without a return type")
  }

  const checks: Record<string, (node: Node) => void> = {
    AssignmentExpression: checkAssignment,
    BinaryExpression: checkBinary,
    CallExpression: checkCall,
    FunctionDeclaration: checkFunction,
    FunctionExpression: checkFunction,
    TSEmptyBodyFunctionExpression: checkFunction,
    Identifier: checkName,
    Literal: checkLiteral,
    NewExpression: checkNew,
    TSAsExpression: checkAs,
    VariableDeclarator: checkDeclarator,
    ImportDeclaration: (node) => {
      const from = String((node["source"] as Node)["value"])
      if (!/^\.\.?\/([a-z0-9-]+\/)?[a-z0-9-]+\.ts$/.test(from))
        report(node, "import", `"${from}"; the core imports only its own files, as "./name.ts" or "../name.ts"`)
      if (node["importKind"] === "type") report(node, "import", "import type; asc does not know it")
    },
    LogicalExpression: (node) => {
      if (node["operator"] === "??") report(node, "subset", "`??`; asc has none")
    },
    MemberExpression: (node) => {
      if (node["computed"] === true) checkElement(node)
    },
    PropertyDefinition: (node) => {
      if (node["typeAnnotation"] == null) report(node, "annotation", "a field without a type")
    },
    TSArrayType: (node) => {
      if (typeName(node) !== "i32[]" || within("FunctionDeclaration")) {
        report(node, "subset", "an array; only a constant table may be i32[], anything else is an Int32Array")
      }
    },
    TSTypeReference: (node) => {
      const name = String((node["typeName"] as Node)["name"])
      if (node["typeArguments"] != null) report(node, "subset", "type arguments; the core has no generics")
      if (name === "u8" && parent().type !== "TSAsExpression") {
        report(node, "byte", "a u8 is not cut to 8 bits in JavaScript; keep bytes in i32")
      }
      if (!allowedTypes.has(name) && !declared.classes.has(name))
        report(node, "subset", `type ${name}; asc has another one or none`)
    },
    UnaryExpression: (node) => {
      const operator = node["operator"] as string
      const argument = node["argument"] as Node
      if (["typeof", "void", "delete", "+"].includes(operator)) report(node, "subset", `\`${operator}\`; asc differs`)
      if (operator === "-" && isInteger(argument) && typeOf(argument) !== "integer") {
        report(node, "overflow", "`-` wraps at 32 bits in asc and not in JavaScript; write `(0 - x) | 0`")
      }
    },
    UpdateExpression: (node) => {
      if ((node["argument"] as Node).type !== "Identifier") {
        report(node, "overflow", `\`${String(node["operator"])}\` on a field or an element; write \`(x + 1) | 0\``)
      }
    }
  }

  /** The names that a node brings into the scope of its children. */
  const enter = (node: Node): void => {
    const scope = new Map<string, Type>()
    scopes.push(scope)
    const addVariables = (declaration: Node): void => {
      for (const declarator of declaration["declarations"] as ReadonlyArray<Node>) {
        const id = declarator["id"] as Node
        const init = declarator["init"] as Node | null
        scope.set(nameOf(id), annotation(id) ?? (init === null ? "unknown" : typeOf(init)))
      }
    }
    if (node.type === "Program" || node.type === "BlockStatement") {
      for (const statement of node["body"] as ReadonlyArray<Node>) {
        const inner = (statement["declaration"] as Node | null | undefined) ?? statement
        if (inner.type === "VariableDeclaration") addVariables(inner)
      }
    } else if (node.type === "ForStatement") {
      const init = node["init"] as Node | null
      if (init?.type === "VariableDeclaration") addVariables(init)
    } else if (functions.has(node.type)) {
      for (const parameter of node["params"] as ReadonlyArray<Node>) {
        scope.set(nameOf(parameter), annotation(parameter) ?? "unknown")
      }
    }
  }

  const visit = (node: Node): void => {
    if (!allowedNodes.has(node.type)) {
      report(node, "subset", refusedNodes[node.type] ?? `${node.type}; not in the portable subset`)
      return
    }
    checks[node.type]?.(node)
    const outer = [currentClass, currentReturn] as const
    if (node.type === "ClassDeclaration") currentClass = nameOf(node["id"] as Node)
    if (functions.has(node.type)) currentReturn = annotated(node["returnType"] as Node | null)
    enter(node)
    parents.push(node)
    for (const child of children(node)) visit(child)
    parents.pop()
    scopes.pop()
    ;[currentClass, currentReturn] = outer
  }
  visit(program)
}

const functions = new Set(["FunctionDeclaration", "FunctionExpression", "TSEmptyBodyFunctionExpression"])

/** Records the top-level declarations of a file. */
const declare = (program: Node, declared: Declared): void => {
  for (const statement of program["body"] as ReadonlyArray<Node>) {
    const node = (statement["declaration"] as Node | null | undefined) ?? statement
    if (node.type === "FunctionDeclaration") {
      declared.functions.set(nameOf(node["id"] as Node), annotated(node["returnType"] as Node | null))
    } else if (node.type === "VariableDeclaration") {
      for (const declarator of node["declarations"] as ReadonlyArray<Node>) {
        const [id, init] = [declarator["id"] as Node, declarator["init"] as Node | null]
        const made = init?.type === "NewExpression" ? named(nameOf(init["callee"] as Node)) : "unknown"
        declared.constants.set(nameOf(id), annotation(id) ?? made)
      }
    } else if (node.type === "ClassDeclaration") {
      const base = node["superClass"] as Node | null | undefined
      const shape: ClassShape = { base: base ? nameOf(base) : undefined, fields: new Map(), methods: new Map() }
      declared.classes.set(nameOf(node["id"] as Node), shape)
      for (const member of (node["body"] as Node)["body"] as ReadonlyArray<Node>) {
        const name = nameOf(member["key"] as Node)
        if (member.type === "PropertyDefinition")
          shape.fields.set(name, annotated(member["typeAnnotation"] as Node | null))
        else shape.methods.set(name, annotated((member["value"] as Node)["returnType"] as Node | null))
      }
    }
  }
}

/** The type of a class's field, or of what its method returns, its own or inherited. */
const memberOf = (declared: Declared, className: string, name: string): Type | undefined => {
  const shape = declared.classes.get(className)
  const own = shape?.fields.get(name) ?? shape?.methods.get(name)
  return own ?? (shape?.base === undefined ? undefined : memberOf(declared, shape.base, name))
}

const nameOf = (node: Node): string => String(node["name"])

const named = (name: string): Type => {
  switch (name) {
    case "i32":
    case "f64":
    case "bool":
    case "void":
      return name
    case "u8":
      return "byte"
    case "Uint8Array":
      return "bytes"
    case "Int32Array":
    case "i32[]":
      return "words"
    default:
      return { class: name }
  }
}

/** The name of a written type: `i32`, `i32[]`, `Uint8Array`. */
const typeName = (node: Node): string => {
  switch (node.type) {
    case "TSTypeAnnotation":
      return typeName(node["typeAnnotation"] as Node)
    case "TSTypeReference":
      return nameOf(node["typeName"] as Node)
    case "TSArrayType":
      return `${typeName(node["elementType"] as Node)}[]`
    case "TSVoidKeyword":
      return "void"
    default:
      return node.type
  }
}

const annotated = (node: Node | null): Type => (node === null ? "unknown" : named(typeName(node)))

/** The type that a name is declared with, undefined without one. */
const annotation = (id: Node): Type | undefined => {
  const written = id["typeAnnotation"] as Node | null | undefined
  return written == null ? undefined : annotated(written)
}

const children = (node: Node): ReadonlyArray<Node> =>
  (visitorKeys[node.type] ?? []).flatMap((key) => {
    const value = node[key]
    return (Array.isArray(value) ? value : [value]).filter((child) => child !== null && typeof child === "object")
  })

const leaves = (node: Node): ReadonlyArray<Node> =>
  node.type === "BinaryExpression" ? [...leaves(node["left"] as Node), ...leaves(node["right"] as Node)] : [node]

const isLiteral = (node: Node): boolean => node.type === "Literal" && typeof node["value"] === "number"
const literal = (node: Node): number => (isLiteral(node) ? (node["value"] as number) : NaN)
