/** True for a task or LLM class that names a module of the user's own, relative to the spec's folder or absolute. */
export function isModulePath(name: string): boolean {
  return /^\.{0,2}[/\\]|^[A-Za-z]:[/\\]|\.[cm]?[jt]s$/.test(name);
}
