import { posix } from 'node:path'
import type { Node } from 'oxc-parser'
import { type Finding, finding, lineAt, memberName, rootName, type Source } from './source.ts'

const FILE_LINES_MAX = 400
const FUNCTION_LINES_MAX = 70

/** Words that name no subject. The folder adapters/shared/ is the one place for what adapters share. */
const EMPTY_WORDS = ['utils', 'util', 'helpers', 'helper', 'common', 'misc', 'manager', 'impl']

/** Names that say nothing where they stand alone: `field-types` has a subject, `types` has none. */
const EMPTY_NAMES = ['types', 'type', 'shared', 'lib']

const KEBAB_CASE = /^[a-z0-9]+([.-][a-z0-9]+)*$/

/** Sizes and names of files and functions. */
export function checkShape(source: Source): readonly Finding[] {
  return [...checkName(source), ...checkFileLength(source), ...checkFunctionLengths(source)]
}

function checkName(source: Source): readonly Finding[] {
  const name = posix.basename(source.path).replace(/\.[a-z]+$/, '')
  const folders = posix.dirname(source.path).split('/')
  const empty =
    [...folders, name].flatMap((part) => part.split(/[-.]/)).find((word) => EMPTY_WORDS.includes(word)) ??
    EMPTY_NAMES.find((word) => word === name)
  if (empty !== undefined) {
    return [finding(source, 0, `has "${empty}" in its name, which says nothing; name the subject`)]
  }
  return KEBAB_CASE.test(name) ? [] : [finding(source, 0, 'is not named in kebab-case')]
}

function checkFileLength(source: Source): readonly Finding[] {
  const lines = lineAt(source.text.trimEnd(), source.text.length)
  if (lines <= FILE_LINES_MAX) return []
  return [
    {
      path: source.path,
      line: lines,
      message: `has ${lines} lines; split it by subject at ${FILE_LINES_MAX}`,
    },
  ]
}

function checkFunctionLengths(source: Source): readonly Finding[] {
  return source.nodes.flatMap(({ node, ancestors }) => {
    const isFunction =
      node.type === 'FunctionDeclaration' ||
      node.type === 'FunctionExpression' ||
      node.type === 'ArrowFunctionExpression'
    if (!isFunction || isSuite(ancestors.at(-1)) || listsTests(node.body)) return []
    const lines = lineAt(source.text, node.end) - lineAt(source.text, node.start) + 1
    if (lines <= FUNCTION_LINES_MAX) return []
    return [finding(source, node.start, `is a function of ${lines} lines; split it at ${FUNCTION_LINES_MAX}`)]
  })
}

/** `describe(…)` and its kin hold a list of tests, not steps. */
function isSuite(parent: Node | undefined): boolean {
  return parent?.type === 'CallExpression' && (rootName(parent.callee) ?? '').startsWith('describe')
}

/** So does a function of a kit that calls `test(…)` for each of its promises. */
function listsTests(body: Node | null): boolean {
  if (body?.type !== 'BlockStatement') return false
  return body.body.some((statement) => {
    const call = statement.type === 'ExpressionStatement' ? statement.expression : statement
    return call.type === 'CallExpression' && /^(describe|test$|it$)/.test(rootName(call.callee) ?? '')
  })
}

/** Errors are handled or passed on: a catch that only logs, or does nothing and says not why, hides what went wrong. */
export function checkCatches(source: Source): readonly Finding[] {
  return source.nodes.flatMap(({ node }) => {
    const body = caught(node)
    if (body === null) return []
    if (body.length === 0) {
      // A comment in its place says where the failure is dealt with.
      if (source.comments.some((comment) => comment.start > node.start && comment.end < node.end)) return []
      return [
        finding(
          source,
          node.start,
          'is an empty catch; return what the failure means, let it through, or say why it means nothing',
        ),
      ]
    }
    return body.every(isLogging)
      ? [finding(source, node.start, 'only logs what it caught; do something about it, or let it through')]
      : []
  })
}

/** What a `catch` block or the handler given to `.catch()` does; null for anything else. */
function caught(node: Node): readonly Node[] | null {
  if (node.type === 'CatchClause') return node.body.body
  if (node.type !== 'CallExpression' || memberName(node.callee) !== 'catch') return null
  const [handler] = node.arguments
  if (handler?.type !== 'ArrowFunctionExpression' && handler?.type !== 'FunctionExpression') return null
  const { body } = handler
  if (body === null) return null
  return body.type === 'BlockStatement' ? body.body : [body]
}

function isLogging(statement: Node): boolean {
  const expression = statement.type === 'ExpressionStatement' ? statement.expression : statement
  if (expression.type !== 'CallExpression') return false
  const owner = expression.callee.type === 'MemberExpression' ? expression.callee.object : expression.callee
  const name = memberName(owner) ?? rootName(owner)
  return name !== null && /^(logger|log|console)$/.test(name)
}
