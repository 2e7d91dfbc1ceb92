/** The library's syntax tree, as far as its parser makes it from what `parseTemplate` hands over. */
export type Node = Statement | Expression;

export type Statement =
  | { type: "If"; test: Expression; body: Node[]; alternate: Node[] }
  | { type: "For"; loopvar: Expression; iterable: Expression; body: Node[]; defaultBlock: Node[] }
  | { type: "Set"; assignee: Expression; value: Expression | null; body: Node[] }
  | { type: "Macro"; name: Identifier; args: Parameter[]; body: Node[] }
  | { type: "CallStatement"; call: CallExpression; callerArgs: Parameter[] | null; body: Node[] }
  | { type: "FilterStatement"; filter: Identifier | CallExpression; body: Node[] }
  | { type: "Break" }
  | { type: "Continue" };

export type Expression =
  | Identifier
  | CallExpression
  | { type: "StringLiteral"; value: string }
  | { type: "IntegerLiteral"; value: number }
  | { type: "FloatLiteral"; value: number }
  | { type: "ArrayLiteral"; value: Expression[] }
  | { type: "TupleLiteral"; value: Expression[] }
  | { type: "ObjectLiteral"; value: Map<Expression, Expression> }
  | {
      type: "MemberExpression";
      object: Expression;
      property: Expression | SliceExpression;
      computed: boolean;
    }
  | { type: "BinaryExpression"; operator: { value: string }; left: Expression; right: Expression }
  | { type: "UnaryExpression"; operator: { value: string }; argument: Expression }
  | { type: "FilterExpression"; operand: Expression; filter: Identifier | CallExpression }
  | { type: "Ternary"; condition: Expression; trueExpr: Expression; falseExpr: Expression }
  | { type: "SelectExpression"; lhs: Expression; test: Expression };

export interface Identifier {
  type: "Identifier";
  value: string;
}

export interface CallExpression {
  type: "CallExpression";
  callee: Expression;
  args: Argument[];
}

export interface SliceExpression {
  type: "SliceExpression";
  start?: Expression;
  stop?: Expression;
  step?: Expression;
}

export interface KeywordArgument {
  type: "KeywordArgumentExpression";
  key: Identifier;
  value: Expression;
}

export type Parameter = Identifier | KeywordArgument;

export type Argument =
  | Expression
  | KeywordArgument
  | { type: "SpreadExpression"; argument: Expression }
  | { type: "KeywordSpreadExpression"; argument: Expression };
