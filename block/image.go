package block

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// An Image describes an image for [VM.CreateImage].
type Image struct {
	// Backend is the file and its format: a [hotplug.File] or a [hotplug.Descriptor]. The formats are "raw" (or empty),
	// "qcow2" and "luks"; Options makes others. A regular file need not exist. If it has content, the error matches
	// [ErrNotEmpty]. The content of a block device is lost. Unless File.Open opens the file, CreateImage makes it with the
	// permissions 0600.
	Backend hotplug.DiskBackend

	Size        int64  // of the disk in the image, in bytes; QEMU wants a multiple of 512 for qcow2
	ClusterSize uint64 // of a qcow2 image, in bytes; 0 leaves it to QEMU: 64 KiB

	// Key encrypts the image, which must be luks or qcow2. A qcow2 image is encrypted with LUKS. CreateImage gives QEMU
	// the key as an object, and removes the object at the end.
	Key []byte

	// KeyTime is how long QEMU computes each time that it opens the image with the Key. A long time slows down a person who
	// guesses keys. 0 leaves it to QEMU: 2 s. CreateImage rounds it up to milliseconds, and QEMU has a minimum.
	KeyTime time.Duration

	// BackingFile is the name of the image below a qcow2 image, and BackingFormat its format. If both are empty, the image
	// has no image below it.
	BackingFile   string
	BackingFormat qemu.BlockdevDriver

	// Options returns QEMU's options for the image; may be nil. file refers to the file, and secret is the ID of the object
	// with the Key. With Options, only Backend and Key have an effect.
	//
	//	Options: func(file qemu.BlockdevRef, _ string) qemu.BlockdevCreateOptions {
	//		return qemu.BlockdevCreateOptions{Branch: &qemu.BlockdevCreateOptionsVMDK{File: file, Size: 10 << 30}}
	//	}
	Options func(file qemu.BlockdevRef, secret string) qemu.BlockdevCreateOptions
}

// CreateImage creates an image. QEMU writes the image and gets a descriptor of the file, so it needs no access to the file.
// The job has the ID "ID.create". A disk with this ID need not exist: [hotplug.VM.AddDisk] can add it later.
//
// If CreateImage fails, nothing is left in QEMU, and on Linux a regular file is empty, unless the error is a
// [*hotplug.RollbackError] or another program has made a disk of the file. The error matches:
//   - [ErrNotEmpty]: the file has content.
//   - [hotplug.ErrInUse]: another program uses the file, or creates an image in it.
//   - [ErrSize]: a raw image is on a block device that is too small.
//   - [*job.FailedError]: QEMU cannot write the image, or does not know the format or an option.
//   - the other errors of [job.Run].
//
// Source: add-fd, blockdev-add, object-add, blockdev-create.
func (vm *VM) CreateImage(ctx context.Context, id string, image Image) error {
	return vm.do(ctx, "create image", id, func() error {
		if err := image.check(); err != nil {
			return err
		}
		file, err := openFile(image.Backend, true)
		if err != nil {
			return err
		}
		defer file.close()
		if err := image.checkFormat(file.format); err != nil {
			return err
		}
		unlock, err := lock(file.file) // QEMU locks through the same open file, so this lock does not hinder it
		if err != nil {
			return err
		}
		defer unlock()
		if err := file.checkEmpty(); err != nil {
			return err
		}
		if file.format == qemu.BlockdevDriverRaw && image.Options == nil {
			return file.setSize(image.Size)
		}
		var undo rollback
		err = undo.run(ctx, vm.writeImage(ctx, &undo, id, file, image)) // also after success: an image gets another node
		if _, isLeft := errors.AsType[*hotplug.RollbackError](err); err != nil && !isLeft && file.driver == qemu.BlockdevDriverFile && !locked(file.file) {
			err = errors.Join(err, file.file.Truncate(0))
		}
		return err
	})
}

// check returns an error if CreateImage cannot use the fields together, whatever the format.
func (i *Image) check() error {
	i.Backend = pointedTo(i.Backend)
	switch i.Backend.(type) {
	case hotplug.File, hotplug.Descriptor:
	default:
		return fmt.Errorf("Backend is a %T: CreateImage needs a File or a Descriptor", i.Backend)
	}
	switch {
	case i.Options != nil:
		return nil
	case i.Size <= 0:
		return fmt.Errorf("Size is %d: it must be more than 0", i.Size)
	case (i.BackingFile == "") != (i.BackingFormat == ""):
		return errors.New("BackingFile and BackingFormat need each other")
	}
	return nil
}

// checkFormat returns an error if a field is for another format.
func (i *Image) checkFormat(format qemu.BlockdevDriver) error {
	isQcow2 := format == qemu.BlockdevDriverQcow2
	switch {
	case i.Options != nil:
		return nil
	case !isQcow2 && format != qemu.BlockdevDriverRaw && format != qemu.BlockdevDriverLUKS:
		return fmt.Errorf("format is %q: it must be raw, qcow2 or luks, or Options must describe the image", format)
	case !isQcow2 && (i.ClusterSize != 0 || i.BackingFile != ""):
		return errors.New("ClusterSize and BackingFile are for qcow2")
	case (format == qemu.BlockdevDriverLUKS) && len(i.Key) == 0:
		return errors.New("Key is empty, and luks needs one")
	case format == qemu.BlockdevDriverRaw && len(i.Key) > 0:
		return errors.New("Key is for luks and qcow2")
	}
	return nil
}

// writeImage writes an image in a file. undo removes the node of the file and the object with the key.
func (vm *VM) writeImage(ctx context.Context, undo *rollback, id string, file *image, i Image) error {
	secret := ""
	if len(i.Key) > 0 {
		secret = hotplug.SecretID(id, "create")
		if err := vm.addSecret(ctx, undo, secret, i.Key); err != nil {
			return err
		}
	}
	iterTime := qmp.NonZero(int64((i.KeyTime + time.Millisecond - 1) / time.Millisecond))
	return vm.format(ctx, undo, header{id, file, func(ref qemu.BlockdevRef) qemu.BlockdevCreateOptions {
		switch {
		case i.Options != nil:
			return i.Options(ref, secret)
		case file.format == qemu.BlockdevDriverLUKS:
			return qemu.BlockdevCreateOptions{Driver: qemu.BlockdevDriverLUKS, Branch: &qemu.BlockdevCreateOptionsLUKS{
				File: new(ref), Size: uint64(i.Size), KeySecret: new(secret), IterTime: iterTime,
			}}
		}
		options := createQcow2(ref, i.Size, i.ClusterSize, backing{file: i.BackingFile, format: i.BackingFormat})
		if secret != "" {
			options.Branch.(*qemu.BlockdevCreateOptionsQcow2).Encrypt = &qemu.QCryptoBlockCreateOptions{
				Format: qemu.QCryptoBlockFormatLUKS, Branch: &qemu.QCryptoBlockCreateOptionsLUKS{KeySecret: new(secret), IterTime: iterTime},
			}
		}
		return options
	}})
}

// addSecret adds the object with a key, as a step of an operation. If an interrupted operation left such an object, addSecret replaces it.
func (vm *VM) addSecret(ctx context.Context, undo *rollback, id string, key []byte) error {
	if _, err := vm.plug.RemoveObject(ctx, id); err != nil {
		return err
	}
	add := qemu.ObjectAdd{ID: id, QOMType: qemu.ObjectTypeSecret, Branch: &qemu.SecretProperties{
		Format: new(qemu.QCryptoSecretFormatBase64), Data: new(base64.StdEncoding.EncodeToString(key)),
	}}
	return undo.step(ctx, "secret "+id, func(ctx context.Context) error { return add.Do(ctx, vm.conn) }, func(ctx context.Context) error {
		_, err := vm.plug.RemoveObject(ctx, id)
		return err
	})
}
