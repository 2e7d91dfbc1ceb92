import { MessageReader } from "./wire-format.js";

/** What a piece of SentencePiece's vocabulary is. */
export const PieceType = { Normal: 1, Unknown: 2, Control: 3, UserDefined: 4, Unused: 5, Byte: 6 } as const;

export interface Piece {
  text: string;
  score: number;
  type: number;
}

/** What ids depend on in SentencePiece's `ModelProto`; what a file does not say has the value that it stands for there. */
export interface ModelProto {
  pieces: Piece[];
  /** 1 unigram, 2 BPE, 3 words, 4 characters. */
  modelType: number;
  unknownId: number;
  unknownPiece: string;
  byteFallback: boolean;
  spaceIsSuffix: boolean;
  /** Rules for characters; empty where there are none. */
  charsmap: Buffer;
  addDummyPrefix: boolean;
  removeExtraWhitespaces: boolean;
  escapeWhitespaces: boolean;
}

/** Far above the million that the largest vocabularies have; a file of two bytes a piece could name more than memory has. */
const MOST_PIECES = 2 ** 22;

/** Throws an Error that says how the bytes are damaged, or that they are another kind of file. */
export function readModelProto(bytes: Buffer): ModelProto {
  const proto: ModelProto = {
    pieces: [],
    modelType: 1,
    unknownId: 0,
    unknownPiece: "<unk>",
    byteFallback: false,
    spaceIsSuffix: false,
    charsmap: Buffer.alloc(0),
    addDummyPrefix: true,
    removeExtraWhitespaces: true,
    escapeWhitespaces: true,
  };
  const reader = new MessageReader(bytes);
  while (reader.next()) {
    if (reader.field === 1) {
      if (proto.pieces.length === MOST_PIECES) throw new Error(`it has more than ${MOST_PIECES} pieces`);
      proto.pieces.push(readPiece(reader.message()));
    } else if (reader.field === 2) readTrainerSpec(reader.message(), proto);
    else if (reader.field === 3) readNormalizerSpec(reader.message(), proto);
    else reader.skip();
  }
  if (proto.pieces.length === 0) throw new Error("it has no pieces");
  return proto;
}

function readPiece(reader: MessageReader): Piece {
  const piece: Piece = { text: "", score: 0, type: PieceType.Normal };
  while (reader.next()) {
    if (reader.field === 1) piece.text = reader.string();
    else if (reader.field === 2) piece.score = reader.float();
    else if (reader.field === 3) piece.type = reader.int32();
    else reader.skip();
  }
  return piece;
}

function readTrainerSpec(reader: MessageReader, proto: ModelProto): void {
  while (reader.next()) {
    if (reader.field === 3) proto.modelType = reader.int32();
    else if (reader.field === 24) proto.spaceIsSuffix = reader.int32() !== 0;
    else if (reader.field === 35) proto.byteFallback = reader.int32() !== 0;
    else if (reader.field === 40) proto.unknownId = reader.int32();
    else if (reader.field === 45) proto.unknownPiece = reader.string();
    else reader.skip();
  }
}

function readNormalizerSpec(reader: MessageReader, proto: ModelProto): void {
  while (reader.next()) {
    if (reader.field === 2) proto.charsmap = reader.view();
    else if (reader.field === 3) proto.addDummyPrefix = reader.int32() !== 0;
    else if (reader.field === 4) proto.removeExtraWhitespaces = reader.int32() !== 0;
    else if (reader.field === 5) proto.escapeWhitespaces = reader.int32() !== 0;
    else reader.skip();
  }
}
