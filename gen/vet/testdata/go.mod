module example.org/vet

go 1.26.0

require github.com/qmpkit/qmpkit v0.0.0

replace github.com/qmpkit/qmpkit => ../../..
