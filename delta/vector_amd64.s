//go:build !purego

#include "textflag.h"
#include "go_asm.h"

// Everything here is arithmetic mod 2^16 in 16-bit lanes, in which carries past
// the top are meant to vanish.

// weights<> holds 32, 31, ... 1: byte i of 32 counts that often.
DATA weights<>+0(SB)/8, $0x191a1b1c1d1e1f20
DATA weights<>+8(SB)/8, $0x1112131415161718
DATA weights<>+16(SB)/8, $0x090a0b0c0d0e0f10
DATA weights<>+24(SB)/8, $0x0102030405060708
GLOBL weights<>(SB), RODATA|NOPTR, $32

// last<> shuffles the last word of each 128-bit half into all its words.
DATA last<>+0(SB)/8, $0x0f0e0f0e0f0e0f0e
DATA last<>+8(SB)/8, $0x0f0e0f0e0f0e0f0e
DATA last<>+16(SB)/8, $0x0f0e0f0e0f0e0f0e
DATA last<>+24(SB)/8, $0x0f0e0f0e0f0e0f0e
GLOBL last<>(SB), RODATA|NOPTR, $32

// fourth<> shuffles the fourth word of each 128-bit half into the four behind it,
// and zeros into the four first ones.
DATA fourth<>+0(SB)/8, $0x8080808080808080
DATA fourth<>+8(SB)/8, $0x0706070607060706
DATA fourth<>+16(SB)/8, $0x8080808080808080
DATA fourth<>+24(SB)/8, $0x0706070607060706
GLOBL fourth<>(SB), RODATA|NOPTR, $32

// absent<> is a table for VPSHUFB: byte i is all ones but for bit i%8.
DATA absent<>+0(SB)/8, $0x7fbfdfeff7fbfdfe
DATA absent<>+8(SB)/8, $0x7fbfdfeff7fbfdfe
DATA absent<>+16(SB)/8, $0x7fbfdfeff7fbfdfe
DATA absent<>+24(SB)/8, $0x7fbfdfeff7fbfdfe
GLOBL absent<>(SB), RODATA|NOPTR, $32

// nibbles<> leaves the bits of a byte by which VPSHUFB looks up.
DATA nibbles<>+0(SB)/8, $0x0f0f0f0f0f0f0f0f
DATA nibbles<>+8(SB)/8, $0x0f0f0f0f0f0f0f0f
DATA nibbles<>+16(SB)/8, $0x0f0f0f0f0f0f0f0f
DATA nibbles<>+24(SB)/8, $0x0f0f0f0f0f0f0f0f
GLOBL nibbles<>(SB), RODATA|NOPTR, $32

// ahead is how far the sum of a block has memory read ahead of it. It is often the
// first to look at the bytes, and processors don't read ahead across pages by
// themselves: 1 GiB then takes 0.12 s of a core instead of 0.09. Past the end it does
// nothing.
#define ahead 4096

// func weakHalvesAVX2(data *byte, n int) (a, b uint32)
//
// Y0 sums the bytes (a); Y1 sums Y0 before each step, so it weighs a byte by the
// number of steps behind it; Y2 sums the weighted bytes. b = 32*Y1 + Y2.
TEXT ·weakHalvesAVX2(SB), NOSPLIT, $0-24
	MOVQ     data+0(FP), SI
	MOVQ     n+8(FP), CX
	VPXOR    Y0, Y0, Y0
	VPXOR    Y1, Y1, Y1
	VPXOR    Y2, Y2, Y2
	VMOVDQU  weights<>(SB), Y6
	VPCMPEQB Y7, Y7, Y7
	VPABSB   Y7, Y7                // bytes of 1
	VPCMPEQW Y8, Y8, Y8
	VPABSW   Y8, Y8                // words of 1

sumLoop:
	PREFETCHT0 ahead(SI)
	VMOVDQU    (SI), Y3
	VPADDW     Y0, Y1, Y1
	VPMADDUBSW Y3, Y7, Y4          // pairs: x0 + x1
	VPMADDUBSW Y3, Y6, Y5          // pairs: w0*x0 + w1*x1, below 2^15
	VPADDW     Y4, Y0, Y0
	VPADDW     Y5, Y2, Y2
	ADDQ       $32, SI
	SUBQ       $32, CX
	JNZ        sumLoop

	VPSLLW  $5, Y1, Y1
	VPADDW  Y1, Y2, Y2
	VPMADDWD Y8, Y0, Y0            // 8 dwords each
	VPMADDWD Y8, Y2, Y2
	VPHADDD Y2, Y0, Y0             // a a b b | a a b b
	VPHADDD Y0, Y0, Y0             // a b a b | a b a b
	VEXTRACTI128 $1, Y0, X1
	VPADDD  X1, X0, X0
	VMOVD   X0, AX
	VPEXTRD $1, X0, BX
	MOVL    AX, a+16(FP)
	MOVL    BX, b+20(FP)
	VZEROUPPER
	RET

// SCAN replaces each word of Y by the sum of itself, those before it, and SUM, which
// has in each of its words the sum of all before these; and moves SUM on. Y13 is
// last<>, Y14 is fourth<>.
#define SCAN(Y, T, SUM) \
	VPSLLQ     $16, Y, T     \
	VPADDW     T, Y, Y       \
	VPSLLQ     $32, Y, T     \
	VPADDW     T, Y, Y       \ // each quarter is done on its own
	VPSHUFB    Y14, Y, T     \
	VPADDW     T, Y, Y       \ // each half
	VPERM2I128 $0x08, Y, Y, T \ // 0 | low half
	VPSHUFB    Y13, T, T     \
	VPADDW     SUM, Y, Y     \
	VPADDW     T, Y, Y       \
	VPERMQ     $0xff, Y, T   \
	VPSHUFB    Y13, T, SUM

// lag is how many positions the loads from the narrow table are behind rolling, a
// multiple of 32. A word that is loaded soon after the vector store that holds it
// stalls: with a lag of 0 the whole takes 1.4 times as long, from 64 on there is no
// difference.
#define lag 64

// FETCH replaces two indices of words of the narrow table by the words. No gather:
// it gains little where it is fast, and it is slow on many processors.
#define FETCH(I) \
	MOVWLZX (2*I-2*lag-64)(R11), R8 \
	MOVWLZX (2*I-2*lag-62)(R11), R9 \
	MOVWLZX (R10)(R9*2), R9         \
	SHLL    $16, R9                 \
	ORW     (R10)(R8*2), R9         \
	MOVL    R9, (2*I-2*lag-64)(R11)

#define FETCH8(I) \
	FETCH(I)     \
	FETCH((I+2)) \
	FETCH((I+4)) \
	FETCH((I+6))

// TEST sets bits of R: which of 32 positions have both bits of a in their words of
// the narrow table. Y10 is absent<>, Y11 is nibbles<>, Y12 has all ones.
#define TEST(I, R) \
	VPAND     I(DI), Y11, Y0      \
	VPAND     (I+32)(DI), Y11, Y1 \
	VPSHUFB   Y0, Y10, Y0         \ // all bits but those of a
	VPSHUFB   Y1, Y10, Y1         \
	VPOR      I(DX), Y0, Y0       \
	VPOR      (I+32)(DX), Y1, Y1  \
	VPCMPEQW  Y12, Y0, Y0         \ // even positions
	VPCMPEQW  Y12, Y1, Y1         \ // odd ones
	VPSRLW    $8, Y0, Y0          \
	VPSLLW    $8, Y1, Y1          \
	VPOR      Y0, Y1, Y0          \
	VPMOVMSKB Y0, R

// LIST takes the lowest bit from R8, and stores its position.
#define LIST(I) \
	TZCNTQ R8, R9         \
	ADDL   R12, R9        \
	MOVW   R9, (2*I)(R11) \
	BLSRQ  R8, R8

// func sweepAVX2(s *sweep, f *filter, out, in *byte, m int, n, a, b uint16) int
//
// Thirty-two positions at a time: a is the running sum of in - out, and b that of
// a - n*out. From bytes come words of the odd ones, by a shift, and of the sums of
// each two. The running sum of the pairs is that at the odd positions; there is one
// step back from it to the even ones.
//
// A round rolls over positions, and loads the words of the narrow table for those
// lag before; in one loop, so that the scalar instructions of the one run beside
// the vector instructions of the other. The first rounds only roll, the last ones
// only load. At the end the words are tested.
TEXT ·sweepAVX2(SB), NOSPLIT, $0-56
	MOVQ         s+0(FP), AX
	MOVQ         f+8(FP), R10
	MOVQ         out+16(FP), SI
	MOVQ         in+24(FP), BX
	MOVQ         m+32(FP), CX
	VPCMPEQB     Y9, Y9, Y9
	VPABSB       Y9, Y9                    // bytes of 1
	VPBROADCASTW n+40(FP), Y10
	VPBROADCASTW a+42(FP), Y11
	VPBROADCASTW b+44(FP), Y12
	VMOVDQU      last<>(SB), Y13
	VMOVDQU      fourth<>(SB), Y14
	VMOVD        filter_shift(R10), X15
	LEAQ         filter_narrow(R10), R10
	LEAQ         sweep_a(AX), DI
	LEAQ         sweep_b(AX), DX
	LEAQ         sweep_words(AX), R11
	MOVQ         CX, R12                   // positions still to load for
	ADDQ         $lag, CX                  // lag + positions still to roll over

sweepLoop:
	CMPQ       CX, $lag
	JLE        fetch
	VMOVDQU    (SI), Y0
	VMOVDQU    (BX), Y1
	VPMADDUBSW Y0, Y9, Y2    // out, pairs
	VPMADDUBSW Y1, Y9, Y3    // in, pairs
	VPSRAW     $8, Y0, Y0    // out, odd
	VPSRAW     $8, Y1, Y1    // in, odd
	VPSUBW     Y2, Y3, Y3    // in - out, pairs
	VPSUBW     Y0, Y1, Y1    // in - out, odd
	SCAN(Y3, Y4, Y11)        // a, odd
	VPSUBW     Y1, Y3, Y4    // a, even
	VMOVDQU    Y4, (DI)
	VMOVDQU    Y3, 32(DI)
	VPMULLW    Y10, Y2, Y2
	VPMULLW    Y10, Y0, Y0
	VPADDW     Y3, Y4, Y4
	VPSUBW     Y2, Y4, Y4    // a - n*out, pairs
	VPSUBW     Y0, Y3, Y3    // a - n*out, odd
	SCAN(Y4, Y5, Y12)        // b, odd
	VPSUBW     Y3, Y4, Y5    // b, even
	VMOVDQU    Y5, (DX)
	VMOVDQU    Y4, 32(DX)
	VPSRLW     X15, Y5, Y5
	VPSRLW     X15, Y4, Y4
	VMOVDQU    Y5, (R11)
	VMOVDQU    Y4, 32(R11)

fetch:
	SUBQ $32, CX
	ADDQ $32, SI
	ADDQ $32, BX
	ADDQ $64, DI
	ADDQ $64, DX
	ADDQ $64, R11
	CMPQ CX, R12
	JGE  sweepLoop
	FETCH8(0)
	FETCH8(8)
	FETCH8(16)
	FETCH8(24)
	SUBQ $32, R12
	JNZ  sweepLoop

	MOVQ     m+32(FP), CX
	LEAQ     sweep_a(AX), DI
	LEAQ     sweep_words(AX), DX
	LEAQ     sweep_list(AX), R11
	VMOVDQU  absent<>(SB), Y10
	VMOVDQU  nibbles<>(SB), Y11
	VPCMPEQB Y12, Y12, Y12       // R12, the position, is 0

testLoop:
	TEST(0, R8)
	TEST(64, R9)
	SHLQ    $32, R9
	ORQ     R9, R8
	POPCNTQ R8, R13
	LEAQ    (R11)(R13*2), R13
	LIST(0)                   // few of them
	LIST(1)
	LIST(2)
	TESTQ   R8, R8
	JNZ     more

listed:
	MOVQ R13, R11
	ADDQ $128, DI
	ADDQ $128, DX
	ADDQ $64, R12
	CMPQ R12, CX
	JNE  testLoop
	SUBQ AX, R11
	SUBQ $sweep_list, R11
	SHRQ $1, R11
	MOVQ R11, ret+48(FP)
	VZEROUPPER
	RET

more:
	LIST(3)
	ADDQ  $2, R11
	TESTQ R8, R8
	JNZ   more
	JMP   listed
