// Command shrink rewrites the pictures of a folder with a palette of 64 colours, which
// is plenty for pages and a third of the bytes: go run testdata/browser/shrink.go DIR
package main

import (
	"cmp"
	"image"
	"image/color"
	"image/png"
	"log"
	"os"
	"path/filepath"
	"slices"
)

const colours = 64

func main() {
	files, err := filepath.Glob(filepath.Join(os.Args[1], "*.png"))
	if err != nil {
		log.Fatal(err)
	}
	for _, file := range files {
		if err := shrink(file); err != nil {
			log.Fatalf("%s: %v", file, err)
		}
	}
}

func shrink(file string) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	picture, err := png.Decode(in)
	if err != nil {
		return err
	}
	b := picture.Bounds()
	times := map[color.RGBA]int{}
	at := func(x, y int) color.RGBA { return color.RGBAModel.Convert(picture.At(x, y)).(color.RGBA) }
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			times[at(x, y)]++
		}
	}
	var all []color.RGBA
	for c := range times {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b color.RGBA) int {
		return cmp.Or(times[b]-times[a], int(a.R)-int(b.R), int(a.G)-int(b.G), int(a.B)-int(b.B))
	})
	var palette color.Palette
	for _, c := range all { // the most frequent ones, but not two that look the same
		if len(palette) == colours {
			break
		}
		if len(palette) == 0 || distance(c, palette.Convert(c).(color.RGBA)) > 150 {
			palette = append(palette, c)
		}
	}
	place := map[color.RGBA]uint8{}
	for _, c := range all {
		place[c] = uint8(palette.Index(c))
	}
	small := image.NewPaletted(b, palette)
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			small.SetColorIndex(x, y, place[at(x, y)])
		}
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(out, small); err != nil {
		return err
	}
	return out.Close()
}

func distance(a, b color.RGBA) int {
	r, g, bl := int(a.R)-int(b.R), int(a.G)-int(b.G), int(a.B)-int(b.B)
	return r*r + g*g + bl*bl
}
