package gogen

import "github.com/dave/jennifer/jen"

func (c *command) emit(f *file) {
	switch {
	case c.args != nil:
		c.args.doc = c.doc
		c.args.emit(f)
	case !c.merged:
		f.declare(c.doc, jen.Type().Id(c.name).Id(c.argType))
		f.convertedJSON(c.receiver(), c.name, c.argType, c.argCodec)
	}
	c.emitDo(f)
}

// receiver returns the name of the receiver in all methods of the request type.
func (c *command) receiver() string {
	if c.merged {
		return "v" // as in the methods that it has as a type of the schema
	}
	return "r"
}

// pointer returns the pointer to the request, converted to the type that has the encoder.
func (c *command) pointer() *jen.Statement {
	if c.args == nil && !c.merged {
		return jen.Parens(jen.Op("*").Id(c.argType)).Parens(jen.Id("&" + c.receiver()))
	}
	return jen.Id("&" + c.receiver())
}

func (c *command) emitDo(f *file) {
	params := []jen.Code{
		jen.Id("ctx").Qual("context", "Context"),
		jen.Id("x").Qual(qmpPath, "Executor"),
		jen.Id("opts").Op("...").Qual(qmpPath, "CallOption"),
	}
	results := []jen.Code{jen.Error()}
	if c.result != nil {
		results = []jen.Code{c.result.code(), jen.Error()}
	}
	f.code.Line()
	if c.merged { // the comment of the type does not describe the command
		c.doc.emit(f.code.Group)
	}
	f.code.Func().Params(jen.Id(c.receiver()).Id(c.name)).Id("Do").Params(params...).Params(results...).
		BlockFunc(c.emitDoBody)
}

func (c *command) emitDoBody(g *jen.Group) {
	do := jen.Qual(qmpPath, "Do").Call(jen.Id("ctx"), jen.Id("x"), c.call(), jen.Id("opts"))
	if c.result == nil {
		g.Return(do)
		return
	}
	g.Var().Id(c.resultName()).Add(c.result.code())
	g.Err().Op(":=").Add(do)
	g.Return(jen.Id(c.resultName()), jen.Err())
}

// resultName returns the name of the variable for the result, which differs from the receiver.
func (c *command) resultName() string {
	if c.receiver() == "v" {
		return "result"
	}
	return "v"
}

// call returns the *qmp.Call for the command.
func (c *command) call() *jen.Statement {
	fields := []jen.Code{jen.Id("Command").Op(":").Lit(c.wire)}
	if c.args == nil || c.args.sent {
		fields = append(fields, jen.Id("Args").Op(":").Add(c.pointer()))
	}
	if c.noReply {
		fields = append(fields, jen.Id("NoReply").Op(":").True())
	}
	if c.allowOOB {
		fields = append(fields, jen.Id("AllowOOB").Op(":").True())
	}
	if c.result != nil {
		fields = append(fields, jen.Id("Result").Op(":").Func().Params(decoderParam...).
			BlockFunc(func(g *jen.Group) { c.result.decode(g, place{expr: c.resultName()}) }))
	}
	return jen.Op("&").Qual(qmpPath, "Call").Values(fields...)
}
