export { TemplateError } from "./error.js";
export { Template, type RenderOptions } from "./template.js";
